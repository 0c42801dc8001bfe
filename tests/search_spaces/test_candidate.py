"""Candidates are values: equal, hashed and written down alike exactly when their networks are equal."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from search_spaces.candidate import (
    Architecture,
    Candidate,
    CompressionPolicy,
    ConvBlock,
    LayerPolicy,
    OperatorBlock,
)

ARCHITECTURE = Architecture("made-up", 32, ((ConvBlock(16, 3, 4.0), ConvBlock(16, 5, 6.0)), (OperatorBlock("skip"),)))
CANDIDATE = Candidate(ARCHITECTURE, CompressionPolicy((LayerPolicy(), LayerPolicy(4, 8, 0.5, 3))))


def test_equal_values_are_one_candidate() -> None:
    twin = Candidate(
        Architecture("made-up", 32, ((ConvBlock(16, 3, 4), ConvBlock(16, 5, 6)), (OperatorBlock("skip"),))),
        CompressionPolicy((LayerPolicy(), LayerPolicy(4, 8, 0.5, 3))),
    )
    assert twin == CANDIDATE
    assert hash(twin) == hash(CANDIDATE)
    assert (twin.key, twin.to_json()) == (CANDIDATE.key, CANDIDATE.to_json())
    assert pickle.loads(pickle.dumps(CANDIDATE)) == CANDIDATE


@pytest.mark.parametrize(
    "other",
    [
        replace(CANDIDATE, architecture=replace(ARCHITECTURE, space="other")),
        replace(CANDIDATE, architecture=replace(ARCHITECTURE, resolution=28)),
        replace(CANDIDATE, architecture=replace(ARCHITECTURE, stages=ARCHITECTURE.stages[:1])),
        replace(
            CANDIDATE, architecture=replace(ARCHITECTURE, stages=(ARCHITECTURE.stages[0] + ARCHITECTURE.stages[1],))
        ),
        replace(CANDIDATE, policy=CompressionPolicy((LayerPolicy(), LayerPolicy(4, 8, 0.5)))),
        replace(CANDIDATE, policy=CompressionPolicy((LayerPolicy(4, 8, 0.5, 3), LayerPolicy()))),
        replace(CANDIDATE, policy=CompressionPolicy((LayerPolicy(), LayerPolicy(8, 4, 0.5, 3)))),
    ],
)
def test_any_difference_is_another_candidate(other: Candidate) -> None:
    assert other != CANDIDATE
    assert other.key != CANDIDATE.key


def test_json_round_trip() -> None:
    again = Candidate.from_json(CANDIDATE.to_json())
    assert again == CANDIDATE
    assert again.key == CANDIDATE.key


def test_keys_stay_the_same_from_version_to_version() -> None:
    # Databases find candidates by key: a changed format orphans everything ever stored.
    assert CANDIDATE.key == "5914cb061f24b8ac"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[1]",
        "{}",
        '{"space":"s","resolution":32,"stages":[[3]],"policy":[]}',
        '{"space":"s","resolution":32,"stages":[[{"block":"abacus"}]],"policy":[]}',
        '{"space":"s","resolution":32,"stages":[[{"block":"conv","width":8}]],"policy":[]}',
        '{"space":"s","resolution":32,"stages":[],"policy":[[9,8]]}',
        CANDIDATE.to_json()[:-1],
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not the JSON of a candidate|bit-width must be one of"):
        Candidate.from_json(text)


@pytest.mark.parametrize("name", ["w32a32", "w8a8", "w2a32"])
def test_layer_policies_are_written_as_they_are_read(name: str) -> None:
    assert str(LayerPolicy.parse(name)) == name


@pytest.mark.parametrize("name", ["", "8", "w8", "w8a8 ", "w8a8s0.5", "W8A8", "w9a8", "w8a16", "w0a0"])
def test_illegal_layer_policies_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"written like w8a8|must be one of \(1, 2, 3"):
        LayerPolicy.parse(name)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, float("nan")])
def test_sparsity_is_a_share(sparsity: float) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        LayerPolicy(sparsity=sparsity)
