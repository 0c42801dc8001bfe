"""Policies are written as they are read, and say nothing of what they leave alone."""

import pytest

from search_spaces.compression_policy import FULL_PRECISION_BITS, QUANTIZED_BITS, LayerPolicy, Quantization

BITS = (*QUANTIZED_BITS, FULL_PRECISION_BITS)


@pytest.mark.parametrize("policy", [LayerPolicy.quantized(w, a) for w in BITS for a in BITS], ids=str)
def test_a_policy_is_read_as_it_is_written(policy: LayerPolicy) -> None:
    assert LayerPolicy.parse(str(policy)) == policy
    assert LayerPolicy.from_json(policy.to_json()) == policy


def test_parts_that_are_not_there_are_not_written() -> None:
    assert LayerPolicy().to_json() == {}
    assert LayerPolicy.parse("w32a32") == LayerPolicy() == LayerPolicy.quantized()
    assert LayerPolicy.quantized(4, 8).to_json() == {"quantization": "w4a8"}


@pytest.mark.parametrize("name", ["", "8", "w8", "w8a8 ", "w8a8s0.5", "W8A8", "w9a8", "w8a16", "w1a8", "w0a0", "w٨a8"])
def test_illegal_texts_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"written like w8a8|must be one of \(2, 3"):
        LayerPolicy.parse(name)


def test_a_quantisation_of_nothing_is_no_second_way_to_leave_a_layer_alone() -> None:
    with pytest.raises(ValueError, match="must be of weights or activations"):
        Quantization(32, 32)
