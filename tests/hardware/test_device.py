"""Devices say as which policy they execute a layer, and refuse what they execute in no precision."""

from dataclasses import replace

import pytest

from hardware.device import ONNXRUNTIME_CPU, get_device, read_fingerprint
from search_spaces.compression_policy import LayerPolicy


@pytest.mark.parametrize(
    ("policy", "executed"), [("w32a32", "w32a32"), ("w8a8", "w8a8"), ("w5a8", "w8a8"), ("w2a8", "w8a8")]
)
def test_narrow_weights_are_executed_in_int8(policy: str, executed: str) -> None:
    assert ONNXRUNTIME_CPU.executed_as(LayerPolicy.parse(policy)) == LayerPolicy.parse(executed)


@pytest.mark.parametrize(
    "policy",
    [
        LayerPolicy.quantized(4, 4),
        LayerPolicy.quantized(8, 32),
        LayerPolicy.quantized(32, 8),
    ],
)
def test_other_policies_are_refused(policy: LayerPolicy) -> None:
    with pytest.raises(ValueError, match=r"'onnxruntime_cpu' runs no layer at .*; it runs w32a32 and w2a8 to w8a8$"):
        ONNXRUNTIME_CPU.executed_as(policy)


def test_a_name_is_a_device() -> None:
    assert get_device("onnxruntime_cpu") == ONNXRUNTIME_CPU


def test_a_device_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="threads and batch"):
        replace(ONNXRUNTIME_CPU, threads=0)


def test_fingerprint_is_stable_text() -> None:
    assert read_fingerprint() == read_fingerprint()
    assert {"cpu", "flags", "governor", "logical_cores", "system", "onnxruntime"} == set(read_fingerprint())
