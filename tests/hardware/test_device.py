"""Devices say as which policy they execute a layer, and refuse what they execute in no precision."""

from dataclasses import replace

import pytest

from hardware.device import ONNXRUNTIME_CPU, check_threads, describe_changes, get_device, read_fingerprint
from search_spaces.compression_policy import LayerPolicy


@pytest.mark.parametrize(
    ("policy", "executed"), [("w32a32", "w32a32"), ("w8a8", "w8a8"), ("w7a8", "w7a8"), ("w2a8", "w7a8")]
)
def test_narrow_weights_are_executed_in_int8(policy: str, executed: str) -> None:
    assert ONNXRUNTIME_CPU.executed_as(LayerPolicy.parse(policy)) == LayerPolicy.parse(executed)


@pytest.mark.parametrize(
    "policy",
    [
        LayerPolicy.quantized(4, 4),
        LayerPolicy.quantized(8, 32),
        LayerPolicy.quantized(32, 8),
        LayerPolicy.quantized(8, 8, group_size=32),  # computed in floating point, and never priced as integers
    ],
)
def test_other_policies_are_refused(policy: LayerPolicy) -> None:
    with pytest.raises(ValueError, match=r"'onnxruntime_cpu' runs no layer .* runs w32a32 and w2a8 to w7a8 and w8a8$"):
        ONNXRUNTIME_CPU.executed_as(policy)


def test_a_name_is_a_device() -> None:
    assert get_device("onnxruntime_cpu") == ONNXRUNTIME_CPU


def test_a_device_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="threads and batch"):
        replace(ONNXRUNTIME_CPU, threads=0)


def test_fingerprint_is_stable_text() -> None:
    assert read_fingerprint() == read_fingerprint()
    wanted = {"cpu", "flags", "governor", "logical_cores", "usable_cpus", "system", "onnxruntime"}
    assert set(read_fingerprint()) == wanted


def test_more_threads_than_usable_cpus_are_refused() -> None:
    with pytest.raises(ValueError, match=r"device.threads is 2, but 1.5 of the 64 CPUs are usable .*; take 1 or fewer"):
        check_threads(2, {"logical_cores": "64", "usable_cpus": "1.5"})
    check_threads(1, {"usable_cpus": "0.5"})  # slow, and not the slower for its number of threads
    check_threads(64, {"logical_cores": "2"})  # of a node whose program does not say


def test_changes_name_what_is_new_and_what_is_gone() -> None:
    assert describe_changes({"cpu": "a", "flags": ""}, {"cpu": "a", "usable_cpus": "2"}) == (
        "usable_cpus was None, is '2', flags was '', is None"
    )
