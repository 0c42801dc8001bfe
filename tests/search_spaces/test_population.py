"""Populations are read by rows, decode each candidate once, and tell predictors how large candidates are."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.search_space import Genes
from search_spaces.subspace import Subspace

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of every call that decodes."""
    calls: list[int] = []
    decode = JointSpace.decode

    def counted(space: JointSpace, genes: Genes) -> list[Candidate]:
        calls.append(len(genes))
        return decode(space, genes)

    monkeypatch.setattr(JointSpace, "decode", counted)
    return calls


def _sample(n: int) -> Population:
    return SPACE.sample(np.random.default_rng(7), n)


def test_a_population_is_read_by_rows() -> None:
    population = SPACE.population(np.concatenate([_sample(3).genes] * 2))
    assert len(population) == len(population.candidates) == 6
    assert [population.unique()[row] for row in range(3)] == [population[row] for row in range(3)]
    assert population.take(slice(2, 4))[1] == population[3]


def test_only_rows_that_are_asked_for_are_decoded(decoded: list[int]) -> None:
    population = _sample(100_000)
    assert decoded == []
    assert population[5] is population[5]
    assert decoded == [1]


def test_all_that_is_taken_from_a_population_shares_what_was_decoded(decoded: list[int]) -> None:
    population = _sample(6)
    part = population.take(np.array([3, 1]))
    first = part[0]
    assert population.candidates[3] is first
    assert population.take(np.arange(6) > 2).take(slice(1)).candidates == (first,)
    assert part.candidates[1] is population[1]
    assert population.candidates is population.candidates
    assert decoded == [1, 5]


def test_candidates_that_were_encoded_are_not_decoded(decoded: list[int]) -> None:
    stored = [Candidate.from_json(candidate.to_json()) for candidate in _sample(5).candidates]
    read = SPACE.encode(stored)
    assert all(one is other for one, other in zip(read.candidates, stored, strict=True))
    assert read.take(slice(2, 3))[0] is stored[2]
    assert decoded == [5]


def test_equal_rows_are_decoded_once(decoded: list[int]) -> None:
    population = SPACE.population(np.repeat(_sample(2).genes, 3, axis=0))
    assert len(set(population.candidates)) == 2
    assert decoded == [2]


def test_a_population_travels_without_what_was_decoded(decoded: list[int]) -> None:
    population = _sample(50)
    fresh = len(pickle.dumps(population))
    keys = [candidate.key for candidate in population.candidates]
    assert len(pickle.dumps(population)) == fresh
    for again in (pickle.loads(pickle.dumps(population)), copy.deepcopy(population)):
        assert [candidate.key for candidate in again.candidates] == keys
    assert decoded == [50, 50, 50]


def test_sizes_and_shares_of_policies_are_told() -> None:
    ends = SPACE.encode([SPACE.smallest(), SPACE.largest(), Subspace.whole(SPACE).smallest()])
    features = ends.size_features() / np.sqrt(len(SPACE.genes))
    # of resolution, depth, kernel and expansion: mean level, share of the genes that are active; then the policies
    assert np.allclose(features[0], [0, 1, 0, 1, 0, 0.5, 0, 0.5, 1, 0])
    assert np.allclose(features[1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 0])
    assert np.allclose(features[2], [0, 1, 0, 1, 0, 0.5, 0, 0.5, 0, 1])


def test_an_inactive_gene_changes_no_size() -> None:
    genes = SPACE.encode([SPACE.smallest()]).genes.repeat(2, axis=0)
    inactive = np.flatnonzero(~SPACE.is_active(genes[:1])[0])
    genes[1, inactive] = 1
    assert np.array_equal(*SPACE.population(genes).size_features())


def test_what_is_joined_stays_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10))
    first, second = space.sample(np.random.default_rng(0), 3), space.sample(np.random.default_rng(1), 2)
    known = [*first.candidates, *second.candidates]
    monkeypatch.setattr(JointSpace, "decode", None)
    assert [*first.join(second).candidates] == known
    assert [*first.join(first.take(slice(0, 1)), second).candidates] == [*known[:3], known[0], *known[3:]]
