"""Candidates are values: equal, hashed and written down alike exactly when their networks are equal."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from search_spaces.candidate import Architecture, Candidate, ConvBlock, OperatorBlock
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

ARCHITECTURE = Architecture("made-up", 32, ((ConvBlock(16, 3, 4.0), ConvBlock(16, 5, 6.0)), (OperatorBlock("skip"),)))
CANDIDATE = Candidate(ARCHITECTURE, CompressionPolicy((LayerPolicy(), LayerPolicy.quantized(4, 8))))


def test_equal_values_are_one_candidate() -> None:
    twin = Candidate(
        Architecture("made-up", 32, ((ConvBlock(16, 3, 4), ConvBlock(16, 5, 6)), (OperatorBlock("skip"),))),
        CompressionPolicy((LayerPolicy(), LayerPolicy.quantized(4, 8))),
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
        replace(CANDIDATE, policy=CompressionPolicy((LayerPolicy(), LayerPolicy.quantized(4, 4)))),
        replace(CANDIDATE, policy=CompressionPolicy((LayerPolicy.quantized(4, 8), LayerPolicy()))),
        replace(CANDIDATE, policy=CompressionPolicy((LayerPolicy(), LayerPolicy.quantized(8, 4)))),
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
    assert CANDIDATE.to_json() == (
        '{"version":1,"space":"made-up","resolution":32,"stages":[[{"block":"conv","width":16,"kernel_size":3,'
        '"expand_ratio":4.0},{"block":"conv","width":16,"kernel_size":5,"expand_ratio":6.0}],[{"block":"operator",'
        '"operator":"skip"}]],"policy":[{},{"quantization":"w4a8"}]}'
    )
    assert CANDIDATE.key == "2b0f9ded55164f3d"


# Candidates as earlier versions stored them: of all families, neutral and mixed policies, given networks. Lines may be
# added for what is new; one that is here never changes.
STORED = (Path(__file__).parents[1] / "fixtures" / "candidates.jsonl").read_text().splitlines()


@pytest.mark.parametrize("line", STORED, ids=lambda line: json.loads(line)["key"])
def test_what_was_stored_is_read_and_written_as_it_was(line: str) -> None:
    key, text = json.loads(line)["key"], line.partition('"candidate":')[2][:-1]
    candidate = Candidate.from_json(text)
    assert (candidate.key, candidate.to_json()) == (key, text)


def test_an_unknown_version_is_refused_in_one_line() -> None:
    line = "read in version 1, got version 2; read it with the release of this program that wrote it"
    with pytest.raises(ValueError, match=line) as refused:
        Candidate.from_json(CANDIDATE.to_json().replace('"version":1', '"version":2'))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[1]",
        "{}",
        '{"version":2,"space":"s","resolution":32,"stages":[],"policy":[]}',
        '{"version":1,"space":"s","resolution":32,"stages":[[3]],"policy":[]}',
        '{"version":1,"space":"s","resolution":32,"stages":[[{"block":"abacus"}]],"policy":[]}',
        '{"version":1,"space":"s","resolution":32,"stages":[[{"block":"conv","width":8}]],"policy":[]}',
        '{"version":1,"space":"s","resolution":32,"stages":[],"policy":[[9,8]]}',
        '{"version":1,"space":"s","resolution":32,"stages":[],"policy":[{"quantization":"w9a8"}]}',
        '{"version":1,"space":"s","resolution":32,"stages":[],"policy":[{"quantization":"w32a32"}]}',
        '{"version":1,"space":"s","resolution":32,"stages":[],"policy":[{"thinning":0.5}]}',
        CANDIDATE.to_json()[:-1],
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON of a candidate|bit-width must be one of|has the parts|be left out"):
        Candidate.from_json(text)
