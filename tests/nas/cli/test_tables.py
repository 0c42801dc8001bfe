"""Published tables are imported and shown; what is none is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.cli.main import app

Refusal = Callable[..., str]


def test_a_published_table_is_imported_and_shown(reference_data: Path, tmp_path: Path) -> None:
    output = tmp_path / "bitfusion.parquet"
    source = reference_data / "apq_bitfusion" / "layers.csv"
    imported = CliRunner().invoke(app, ["tables", "import", "apq", str(source), str(output)])
    assert imported.exit_code == 0
    assert "origin    imported" in imported.output
    assert "entries   6567, of which 0 of several layers; metrics energy_mj, latency_ms" in imported.output
    shown = CliRunner().invoke(app, ["tables", "show", str(output)])
    assert shown.output == imported.output


NPU = """
name: npu
peak_gops: {w32a32: 50, w8a8: 4e2}
bandwidth_gb_s: 12.8
overhead_us: 2
"""


def test_a_device_that_nobody_can_measure_is_estimated(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "npu.yaml").write_text(NPU)
    arguments = ["tables", "estimate", str(tmp_path / "npu.yaml"), "resnet_digits", str(tmp_path / "npu.parquet")]
    shown = CliRunner().invoke(app, [*arguments, "--channels", "1"])
    assert shown.exit_code == 0
    assert "npu (estimated), analytic" in shown.output
    assert "origin    estimated" in shown.output
    assert "exists already" in refusal(*arguments)
    (tmp_path / "npu.parquet").unlink()
    for old, new, message in (
        ("12.8", "fast", "bandwidth_gb_s: input should be a valid number, got 'fast'"),
        ("overhead_us", "overhead", "unknown key 'overhead'; known keys: name, peak_gops"),
        ("w8a8", "int8", "a layer policy is written like w8a8"),
        ("50", "0", "greater than or equal to 0.000001, got 0"),
        ("50", ".nan", "peak_gops.w32a32: input should be"),
        ("12.8", "1e300", "bandwidth_gb_s: input should be less than or equal to 1000000000, got 1e+300"),
        ("name: npu", 'name: "a\\nb"', "name: text should be one line of characters that can be printed"),
        (NPU, "- 1", "must hold keys and their values, got [1]"),
    ):
        (tmp_path / "npu.yaml").write_text(NPU.replace(old, new))
        assert message in refusal(*arguments)
    assert not (tmp_path / "npu.parquet").exists()


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("hawq", "a,b\n1,2\n", "it lacks name, params"),
        ("hawq", "", "is not a CSV file"),
        ("once_for_all", 'a,b\n"1,2\n', "is not a CSV file"),
        ("haq", "text", "is not an array that NumPy wrote"),
        ("excel", "text", "known table formats: once_for_all, haq, apq, hawq"),
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
    assert "nope.parquet: there is no such file" in refusal("tables", "show", str(tmp_path / "nope.parquet"))


def test_no_folder_is_made_for_a_table_of_a_wrong_path(tmp_path: Path, refusal: Refusal) -> None:
    line = refusal("tables", "import", "apq", "layers.csv", str(tmp_path / "nope" / "table.parquet"))
    assert "nope/table.parquet is not there; make it, or name a file in another one" in line
    assert not (tmp_path / "nope").exists()


def test_a_table_without_a_seal_says_so(tmp_path: Path) -> None:
    stored = Path(__file__).parents[2] / "fixtures" / "tables" / "schema5_imported.parquet"
    shown = CliRunner().invoke(app, ["tables", "show", str(stored)])
    assert "seal      none: whether the file changed since it was written is not known" in shown.output
