"""Devices say which kernel runs a policy, and refuse what no kernel runs."""

import pytest

from hardware.device import device, fingerprint, onnxruntime_cpu
from search_spaces.compression_policy import LayerPolicy


@pytest.mark.parametrize(
    ("policy", "kernel"), [("w32a32", "w32a32"), ("w8a8", "w8a8"), ("w5a8", "w8a8"), ("w2a8", "w8a8")]
)
def test_narrow_weights_run_in_the_int8_kernel(policy: str, kernel: str) -> None:
    assert onnxruntime_cpu().kernel(LayerPolicy.parse(policy)) == LayerPolicy.parse(kernel)


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
        onnxruntime_cpu().kernel(policy)


def test_a_name_is_a_device() -> None:
    assert device("onnxruntime_cpu") == onnxruntime_cpu()


def test_a_device_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="threads and batch"):
        onnxruntime_cpu(threads=0)


def test_fingerprint_is_stable_text() -> None:
    assert fingerprint() == fingerprint()
    assert {"cpu", "flags", "governor", "logical_cores", "system", "onnxruntime"} == set(fingerprint())
