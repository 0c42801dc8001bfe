"""Notes in an ONNX file on what it takes and gives, so that it can be used without the job that made it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version

import onnx

from nas.data.normalization import Normalization
from nas.export.opset import describe_versions

_INPUTS = (
    "float32, shape (batch, channels, height, width): pixels from 0 to 1, less the mean of their channel, divided by "
    "its standard deviation (std)"
)


def add_notes(content: bytes, normalization: Normalization, class_names: Sequence[str]) -> bytes:
    """The same model with notes in its `metadata_props`, which runtimes hand out.

    The notes are `inputs` (what they are, in words), `mean` and `std` (a list of JSON, one number per channel), `names`
    (a list of JSON, one name per output), `onnxruntime` (the first release that loads the file) and `program`.

    Args:
        content: An ONNX file.
        normalization: By what pixels become inputs.
        class_names: Name of each output, such as that of its class.
    """
    model, runtime = onnx.load_from_string(content), describe_versions(content)["onnxruntime"]
    notes = {
        "inputs": _INPUTS,
        "mean": json.dumps(normalization.mean),
        "std": json.dumps(normalization.std),
        "names": json.dumps([*class_names], ensure_ascii=False).encode("utf-8", "replace").decode(),
        "onnxruntime": f"{runtime} or later" if runtime else "unknown",
        "program": f"nas {version('nas')}",
    }
    onnx.helper.set_model_props(model, notes)
    return model.SerializeToString()
