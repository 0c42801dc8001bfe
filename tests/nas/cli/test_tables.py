"""Published tables are imported and shown; what is none is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.cli.main import app

Refusal = Callable[..., str]


def test_a_published_table_is_imported_and_shown(reference_data: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "bitfusion.parquet"
    source = reference_data / "apq_bitfusion" / "layers.csv"
    imported = CliRunner().invoke(app, ["tables", "import", "apq", str(source), str(output)])
    assert imported.exit_code == 0
    assert "origin    imported" in imported.output
    assert "entries   6567, of which 0 of several layers; metrics energy_mj, latency_ms" in imported.output
    shown = CliRunner().invoke(app, ["tables", "show", str(output)])
    assert shown.output == imported.output


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("hawq", "a,b\n1,2\n", "it lacks name, params"),
        ("hawq", "", "is not a CSV file"),
        ("once_for_all", "a\n1,2,3\n4\n5,6,7,8\n", "is not a CSV file"),
        ("haq", "text", "is not an array that NumPy wrote"),
        ("excel", "text", "known formats are once_for_all, haq, apq, hawq"),
    ],
)
def test_what_is_no_table_is_refused(form: str, content: str, message: str, tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "file").write_text(content)
    assert message in refusal("tables", "import", form, str(tmp_path / "file"), str(tmp_path / "table.parquet"))
    assert not (tmp_path / "table.parquet").exists()


def test_a_table_is_never_overwritten(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "table.parquet").write_text("mine")
    line = refusal("tables", "import", "apq", "layers.csv", str(tmp_path / "table.parquet"))
    assert "exists already; name a new file" in line
    assert (tmp_path / "table.parquet").read_text() == "mine"
    assert "is not a Parquet file" in refusal("tables", "show", str(tmp_path / "table.parquet"))
