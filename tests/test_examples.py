"""Every numbered example runs, and says what it promises."""

from __future__ import annotations

import io
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from nas.cli.main import app
from nas.jobs.comparison.compare import ComparisonPaths, compare
from nas.jobs.console.reporter import Reporter

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def output_of(script: str, *arguments: str) -> str:
    """What a script prints, run in this process, which has imported most of what it imports."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
        patch.setattr(sys, "argv", [script, *arguments])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    return said.getvalue()


@pytest.mark.parametrize("searcher", ["linas", "nsga2"])
def test_a_table_is_searched(searcher: str) -> None:
    output = output_of("1_search_a_table.py", str(EXAMPLES / "networks.csv"), searcher)
    assert "45 of 90 networks were looked up" in output
    assert all(float(line.split()[0]) >= 80 for line in output.splitlines()[:-1])
    assert len((EXAMPLES / "1_search_a_table.py").read_text().splitlines()) < 40


def test_searchers_are_compared(tmp_path: Path) -> None:
    paths = ComparisonPaths(EXAMPLES / "searchers.yaml", tmp_path)
    found = compare(paths, 2, Reporter(Console(file=io.StringIO())))
    means = found[found["evaluations"] == 40].groupby("searcher")["hypervolume"].mean()
    assert means.idxmax() == "linas"
    assert set(means.index) == {"linas", "nsga2", "random"}


def test_candidates_are_priced() -> None:
    assert "8.7e+19 architectures" in output_of("2_price_candidates.py")


def test_a_supernet_is_trained_and_exported_by_hand(tmp_path: Path) -> None:
    output = output_of("3_train_compress_export.py", str(tmp_path))
    assert len(list(tmp_path.glob("*.onnx"))) == 3
    assert all(float(line.split()[0]) > 20 for line in output.splitlines())
    # 52 to 84 over three seeds and three arithmetics; chance is 10


def test_a_network_of_your_own_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "net.safetensors"
    accuracy = float(output_of("4_own_network.py", str(weights)).split()[0])
    assert accuracy > 60  # 96 to 99 over five seeds in each of three arithmetics; chance is 10
    job = yaml.safe_load((EXAMPLES / "own_network.yaml").read_text())
    job["space"]["weights"] = str(weights)
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    monkeypatch.chdir(EXAMPLES.parent)
    found = CliRunner().invoke(app, ["train", str(tmp_path / "job.yaml"), "--runs", str(tmp_path / "runs")])
    assert found.exit_code == 0, found.output
    assert "3 layers, called 4 times" in found.output
    assert len(list(tmp_path.glob("runs/own_network/network-*/network.safetensors"))) == 1


def test_there_is_a_test_for_every_example() -> None:
    assert len(list(EXAMPLES.glob("[0-9]*.py"))) == 4
