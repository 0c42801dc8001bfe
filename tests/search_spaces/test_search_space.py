"""The laws of genes and architectures, over all ready-made spaces."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.choices import Choice
from search_spaces.joint_space import JointSpace
from search_spaces.presets import SPACES, create_space
from search_spaces.search_space import SearchSpace

_ENUMERABLE = 1 << 15
SMALL = [name for name in SPACES if create_space(name, 3, 10).cardinalities.prod(dtype=float) <= _ENUMERABLE]


def test_decode_and_encode_are_inverse(space: SearchSpace) -> None:
    for genes in JointSpace(space).sample(np.random.default_rng(0), 200).genes[:, : len(space.choices)]:
        architecture = space.decode(genes)
        assert architecture.space == space.name
        assert np.array_equal(space.encode(architecture), genes)
        assert space.decode(space.encode(architecture)) == architecture


@pytest.mark.parametrize("name", SMALL)
def test_count_is_the_number_of_distinct_architectures(name: str) -> None:
    space = create_space(name, 3, 10)
    vectors = np.array(list(product(*(range(n) for n in space.cardinalities))), dtype=np.int16)
    assert len({space.decode(genes) for genes in vectors}) == space.count()


def test_layers_lead_from_the_image_to_the_classes(family: SearchSpace) -> None:
    for row in range(20):
        architecture = JointSpace(family).sample(np.random.default_rng(row), 1)[0].architecture
        layers = family.layers(architecture)
        assert len({layer.name for layer in layers}) == len(layers)
        assert layers[0].input_shape == (3, architecture.resolution, architecture.resolution)
        assert layers[-1].out_channels == 10


def test_what_is_not_of_the_space_is_refused(family: SearchSpace) -> None:
    legal = JointSpace(family).largest().architecture
    first, *others = legal.stages

    def with_first(**changes: float) -> Architecture:
        return replace(legal, stages=(tuple(replace(block, **changes) for block in first), *others))

    for illegal, message in [
        (replace(legal, space="other"), "cannot read an architecture of space 'other'"),
        (replace(legal, resolution=7), r"resolution of space .* must be one of .*, got 7"),
        (with_first(expand_ratio=99.0), r"must be one of .*, got 99"),
        (with_first(kernel_size=9), r"holds no Architecture|must be one of .*, got 9"),
        (with_first(width=999), r"holds no Architecture|must be one of .*, got 999"),
        (replace(legal, stages=legal.stages[:-1]), "holds no Architecture"),
        (replace(legal, stages=(*legal.stages, first)), "has no"),
        (replace(legal, stages=((OperatorBlock("skip"),) * len(first), *others)), "ConvBlocks"),
    ]:
        with pytest.raises(ValueError, match=message):
            family.encode(illegal)


@pytest.mark.parametrize("values", [(), (1, 2, 1)])
def test_a_choice_needs_distinct_values(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one or more distinct values"):
        Choice("gene", values)


@pytest.mark.parametrize("name", SPACES)
def test_different_architectures_are_different_networks(name: str) -> None:
    space = JointSpace(create_space(name, 3, 10))
    sample = space.sample(np.random.default_rng(0), 300).unique()
    networks = {space.architectures.layers(sample[row].architecture) for row in range(len(sample))}
    assert len(networks) == len(sample)


def test_a_space_travels_as_what_it_was_made_of(space: SearchSpace) -> None:
    again = pickle.loads(pickle.dumps(space))
    assert (again.name, again.choices, again.nodes) == (space.name, space.choices, space.nodes)
    largest = space.largest()
    assert again.layers(largest) == space.layers(largest)
