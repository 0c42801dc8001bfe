"""A new device by files: probes are named, predictions written, and bad files refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from nas.cli.main import app
from nas.jobs.files.transfer_files import TransferFiles


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, pd.Series]:
    """40 networks of three choices, on two devices, and their latency on a third."""
    rng = np.random.default_rng(0)
    choices = pd.DataFrame(rng.integers(0, 4, (40, 3)), columns=["a", "b", "c"], index=[f"n{i:02d}" for i in range(40)])
    cost = rng.uniform(0.5, 2.0, (4, 3))
    base = cost[choices.to_numpy(), np.arange(3)].sum(1)
    known = pd.DataFrame({"one": base, "two": 3 * base + 0.5 * choices["a"].to_numpy()}, index=choices.index)
    for name, table in (("known", known), ("features", choices)):
        table.to_csv(tmp_path / f"{name}.csv", index_label="network")
    return tmp_path / "known.csv", tmp_path / "features.csv", pd.Series(7 * base, index=choices.index)


def test_ten_measurements_tell_the_rest(files: tuple[Path, Path, pd.Series], tmp_path: Path) -> None:
    known, features, truth = files
    first = CliRunner().invoke(app, ["tables", "transfer", str(known), str(features)])
    probes = first.output.split()
    assert first.exit_code == 0
    assert len(set(probes)) == 10
    truth[probes].rename("latency_ms").to_csv(tmp_path / "new.csv", index_label="network")
    options = ["--measured", str(tmp_path / "new.csv"), "--output", str(tmp_path / "out.csv"), "--probes", "2"]
    second = CliRunner().invoke(app, ["tables", "transfer", str(known), str(features), *options])
    assert second.exit_code == 0
    assert len(second.output.split()) == 2
    assert not set(second.output.split()) & set(probes)
    found = pd.read_csv(tmp_path / "out.csv", index_col="network")
    assert (found["latency_ms"] / truth).between(0.9, 1.1).all()
    assert (found["factor"] > 1).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("known", "", "is not a CSV file"),
        ("known", "device\n1\n", "must have the columns network; it lacks network"),
        ("known", "network,one\nn00,1\nn00,2\n", "must name every network once, got 'n00' twice"),
        ("known", "network,one\nn00,fast\n", "row 1 .line 2., column one: must be a number above 0, got 'fast'"),
        ("known", "network\nn00\n", "must have a column 'network' and others, got that one alone"),
        ("known", "network,one\nn00,inf\n", "column one: must be a number above 0, got 'inf'"),
        ("known", "network,one\nn00,1\n", "must hold the same networks; only one of them has 'n01'"),
        ("known", "network,one\n,1\n", "column network: must be text of one line, got none"),
        ("features", "network,a\nn00,\n", "row 1 .line 2., column a: must be text of one line, got none"),
        (
            "features",
            "network,a\n" + "".join(f"n{i},{i}\n" for i in range(2000)),
            "column a has 2,000 diff",
        ),
        ("measured", "network,latency\nn00,1\n", "must have the columns network, latency_ms; it lacks latency_ms"),
        ("measured", "network,latency_ms,b\nn00,1,2\n", "must have the columns network and latency_ms, got network, "),
        (
            "measured",
            "network,latency_ms\nn99,1\n",
            "row 1 .*, column network: must be a known network, got 'n99'",
        ),
        (
            "measured",
            "network,latency_ms\nn01,1\nn02,2\nn03,slow\n",
            "row 3 .line 4., column latency_ms: must be a number above 0, got 'slow'",
        ),
        ("measured", "network,latency_ms\nn01,1\n", "needs 3 or more different networks"),
    ],
)
def test_bad_files_are_refused(
    files: tuple[Path, Path, pd.Series], tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / f"{name}.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        TransferFiles(*files[:2]).predict(tmp_path / "measured.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
