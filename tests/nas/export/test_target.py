"""Targets of an export are read from what a user writes, and refuse what no file can be made for."""

from __future__ import annotations

from typing import Any

import pytest

from nas.export.target import ExportTarget


def test_a_target_is_read_from_words() -> None:
    assert ExportTarget.parse() == ExportTarget()
    assert (ExportTarget().storage, ExportTarget.parse("openvino>=2025.0").storage) == ("packed", "bytes")
    found = ExportTarget.parse("onnxruntime >= 1.23.2", opset=21, batch=8, storage="bytes")
    assert found == ExportTarget("onnxruntime", (1, 23, 2), 21, 8, "bytes")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"runtime": "openruntime>=1.20"}, "unknown runtime 'openruntime'; known: onnxruntime, openvino, tensorrt"),
        ({"runtime": "onnxruntime>=1.x"}, "such as onnxruntime>=1.20, got 'onnxruntime>=1.x'"),
        ({"runtime": "onnxruntime"}, "its name and its oldest release"),
        ({"runtime": "onnxruntime>=1.5"}, "onnxruntime 1.6 or later, which has opset 13, got 1.5"),
        ({"opset": 12}, "opset 13 or later, which has steps per channel, got 12"),
        ({"batch": 0}, "1 or more, got 0"),
        ({"runtime": "openvino>=2025.0", "storage": "packed"}, "openvino does not unpack weights .* as bytes"),
        ({"storage": "planes"}, "unknown storage of weights 'planes'; known: packed, bytes"),
    ],
)
def test_bad_words_are_told(words: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ExportTarget.parse(**words)


def test_an_opset_that_the_target_cannot_load_is_refused() -> None:
    with pytest.raises(ValueError, match="Gelu needs opset 20, got a limit of 17: raise it to 20"):
        ExportTarget(opset=17).check_opset(20, "Gelu")
    with pytest.raises(ValueError, match=r"which onnxruntime has since 1\.17, got onnxruntime>=1\.16: ask for"):
        ExportTarget(oldest=(1, 16)).check_opset(20, "Gelu")
    ExportTarget(oldest=(1, 17, 0), opset=20).check_opset(20, "Gelu")
