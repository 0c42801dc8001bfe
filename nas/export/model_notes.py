"""Notes in an ONNX file on what it takes and gives, so that it can be used without the job that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType

import onnx

from nas.data.input_transform import InputTransform
from nas.export.opset import describe_versions

_NOTHING: Mapping[str, str] = MappingProxyType({})


def add_notes(
    content: bytes, transform: InputTransform, class_names: Sequence[str], more: Mapping[str, str] = _NOTHING
) -> bytes:
    """The same model with notes in its `metadata_props`, which runtimes hand out.

    The notes are `inputs` (what they are, in words), `mean` and `std` (a list of JSON, one number per channel), `names`
    (a list of JSON, one name per output), `onnxruntime` (the first release that loads the file) and `program`.

    Args:
        content: An ONNX file.
        transform: By what pixels, or tokens, become inputs.
        class_names: Name of each output, such as that of its class.
        more: What else is to be known, by names that are none of these.
    """
    model, runtime = onnx.load_from_string(content), describe_versions(content)["onnxruntime"]
    notes = {
        **more,
        **transform.describe(),
        "names": json.dumps([*class_names], ensure_ascii=False).encode("utf-8", "replace").decode(),
        "onnxruntime": f"{runtime} or later" if runtime else "unknown",
        "program": f"nas {version('nas')}",
    }
    onnx.helper.set_model_props(model, notes)
    return model.SerializeToString()
