"""A file says what it takes and gives, and computes what it did."""

from __future__ import annotations

import json

import numpy as np
import onnx.parser

from nas.data.normalization import Normalization
from nas.export.model_notes import add_notes
from nas.export.onnx_model import open_session, run_session

MODEL = (
    '<ir_version: 7, opset_import: ["" : 13]> g (float[n, 3] images) => (float[n, 3] logits) { logits = Relu (images) }'
)


def test_a_session_hands_the_notes_out() -> None:
    content = onnx.parser.parse_model(MODEL).SerializeToString()
    names = ["cat", "größer", "a\nb", "\ud800"]
    noted = add_notes(
        add_notes(content, Normalization((0.0,), (1.0,)), ["other"]), Normalization((0.5,), (0.25,)), names
    )
    session = open_session(noted)
    notes = session.get_modelmeta().custom_metadata_map
    assert json.loads(notes["mean"]) == [0.5]
    assert json.loads(notes["std"]) == [0.25]
    assert json.loads(notes["names"]) == ["cat", "größer", "a\nb", "?"]
    assert notes["onnxruntime"] == "1.6 or later"
    assert "divided by its standard deviation" in notes["inputs"]
    images = np.array([[-1.0, 0.0, 2.0]], np.float32)
    np.testing.assert_array_equal(run_session(session, images), run_session(open_session(content), images))
