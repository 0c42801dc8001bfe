"""Policies are written as they are read, and say nothing of what they leave alone."""

from typing import Any

import pytest

from search_spaces.compression_policy import FULL_PRECISION_BITS, QUANTIZED_BITS, LayerPolicy, Quantization

BITS = (*QUANTIZED_BITS, FULL_PRECISION_BITS)


@pytest.mark.parametrize("policy", [LayerPolicy.quantized(w, a) for w in BITS for a in BITS], ids=str)
def test_a_policy_is_read_as_it_is_written(policy: LayerPolicy) -> None:
    assert LayerPolicy.parse(str(policy)) == policy
    assert LayerPolicy.from_json(policy.to_json()) == policy


REDUCED = [
    "w4a8-g32",
    "w4a32-g4096-rank0.5-2:4",
    "w4a8-rank0.5",
    "w32a32-rank0.05",
    "w4a8-sparse0.5",
    "w8a8-2:4",
    "w32a32-1:4",
    "w3a32-rank0.25-sparse0.9",
    "w2a8-correct0.1",
    "w3a32-g32-correct0.05",
]


@pytest.mark.parametrize("text", REDUCED)
def test_groups_ranks_corrections_and_zeros_are_written_as_they_are_read(text: str) -> None:
    policy = LayerPolicy.parse(text)
    assert str(policy) == text
    assert LayerPolicy.from_json(policy.to_json()) == policy
    assert not policy.is_of_bits_alone


def test_every_part_has_a_name_of_its_own() -> None:
    whole = LayerPolicy.parse("w4a8-rank0.50-sparse0.9")
    assert whole.to_json() == {"quantization": "w4a8", "sparsity": "0.9", "low_rank": "0.5"}
    assert LayerPolicy.parse("w32a32-2:4").to_json() == {"sparsity": "2:4"}
    assert LayerPolicy.parse("w2a8-correct0.10").to_json() == {"quantization": "w2a8", "correction": "0.1"}
    assert LayerPolicy.parse("w4a8-g32").to_json() == {"quantization": "w4a8-g32"}
    with pytest.raises(ValueError, match=r"is written like \{'low_rank': '0.5'\}, got \{'low_rank': '0.50'\}"):
        LayerPolicy.from_json({"low_rank": "0.50"})  # another text would be another key
    with pytest.raises(ValueError, match=r"has the parts quantization, sparsity, low_rank, correction, got thinning"):
        LayerPolicy.from_json({"thinning": "0.5"})


@pytest.mark.parametrize("name", ["quantization", "sparsity", "low_rank", "correction"])
@pytest.mark.parametrize("part", [0.1, 8, None, ["0.5"]], ids=str)
def test_a_part_that_is_no_text_is_refused(name: str, part: Any) -> None:
    with pytest.raises(ValueError, match=rf"a part of a policy is a text, got .* as {name}, which is none; write it"):
        LayerPolicy.from_json({"quantization": "w8a8"} | {name: part})


def test_parts_that_are_not_there_are_not_written() -> None:
    assert LayerPolicy().to_json() == {}
    assert LayerPolicy.parse("w32a32") == LayerPolicy() == LayerPolicy.quantized()
    assert LayerPolicy.quantized(4, 8).to_json() == {"quantization": "w4a8"}


@pytest.mark.parametrize("name", ["", "8", "w8", "w8a8 ", "w8a8s0.5", "W8A8", "w9a8", "w8a16", "w1a8", "w0a0", "w٨a8"])
def test_illegal_texts_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"written like w8a8|must be one of \(2, 3"):
        LayerPolicy.parse(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("w8a8-rank1.0", "a share is written like 0.5, got '1.0'"),
        ("w8a8-rank0.999", "a share of the rank at which nothing is saved must be from 0.01 to 0.99, got 0.999"),
        ("w8a8-sparse0.0", "a share of zeros must be from 0.01 to 0.99, got 0.0"),
        ("w8a8-4:2", "keeps n of m weights, 1 <= n < m <= 32, got 4:2"),
        ("w8a8-2:4-rank0.5", "written like w8a8"),
        ("w8a8-rank0.5-g32", "written like w8a8"),
        ("w8a8-g1", "a group size must be from 2 to 4096, got 1"),
        ("w32a8-g32", "groups are those of weights that are rounded, got w32a8-g32"),
        ("w32a32-g32", "a quantisation must be of weights or activations, got w32a32-g32"),
        ("w8a8-sparse0.5-2:4", "written like w8a8"),
        ("w2a8-correct0.0", r"the rank of a correction, .*, must be from 0.01 to 0.99, got 0.0"),
        ("w32a8-correct0.1", "weights of fewer than 32 bits, and neither rank nor zeros; got w32a8-correct0.1"),
        ("w4a8-correct0.1-2:4", "neither rank nor zeros; got w4a8-correct0.1-2:4"),
        ("w4a8-rank0.5-correct0.1", "neither rank nor zeros; got w4a8-rank0.5-correct0.1"),
    ],
)
def test_illegal_groups_ranks_and_zeros_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LayerPolicy.parse(name)


def test_a_quantisation_of_nothing_is_no_second_way_to_leave_a_layer_alone() -> None:
    with pytest.raises(ValueError, match="must be of weights or activations"):
        Quantization(32, 32)
