"""A model card says what is known, whatever the names are, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import onnx.parser
import pytest

from nas.export.model_card import ModelCard

MODEL = (
    '<ir_version: 7, opset_import: ["" : 13]> g (float[n, 3] images) => (float[n, 3] logits) { logits = Relu (images) }'
)
CARD = ModelCard(
    file="net.onnx",
    description="one layer",
    reads="float32, shape (batch, 3)",
    shape=(1, 3),
    kind="float32",
    outputs=["cat", "a|b\n# heading", "[c](javascript:d)", "*e*_f_`g`", "h_i", *map(str, range(60))],
    values=[("accuracy (%)", "91.2 ± 1.5", "60 validation images")],
    policies={"stem": "w4a8"},
    origin={"candidate": "1a2b"},
)


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx.parser.parse_model(MODEL).SerializeToString())
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```python\n(.*?)```", CARD.to_markdown(), re.DOTALL)
    assert found is not None
    names: dict[str, object] = {}
    exec(found[1], names)
    assert names["outputs"].shape == (1, 3)  # type: ignore[attr-defined]
    assert len(found[1].splitlines()) == 5


def test_names_stay_in_their_line_and_cell() -> None:
    page = CARD.to_markdown()
    assert "| accuracy (%) | 91.2 ± 1.5 | 60 validation images |" in page
    assert "| stem | w4a8 |" in page
    assert "a\\|b" in page
    assert "\n# heading" not in page
    assert "and 15 more" in page
    assert r"\[c\](javascript:d), \*e\*\_f\_\`g\`, h_i, 0" in page
