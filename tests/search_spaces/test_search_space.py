"""The laws of genes and architectures, over all ready-made spaces."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from operator import methodcaller
from pathlib import Path

import numpy as np
import pytest

from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.families.mobilenet_v3 import MobileNetV3Space
from search_spaces.joint_space import JointSpace
from search_spaces.presets import SPACES, create_space
from search_spaces.restricted_space import RestrictedSpace
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


_OF_A_USER = """
from search_spaces.choices import Choice
from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.layer_slot import LayerSlot
from search_spaces.layer_spec import LayerSpec
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import SearchSpace


class TwoWidths(SearchSpace):
    def __init__(self, *, widths):
        slot = LayerSlot("layer", ("width",), lambda values: LayerSpec.linear("layer", 4, values[0]))
        super().__init__("two_widths", [Choice("width", widths)], [slot])

    def decode(self, genes):
        return Architecture(self.name, 0, ((OperatorBlock(self.choices[0].values[genes[0]]),),))

    def encode(self, architecture):
        return self.encode_values({"width": architecture.stages[0][0].operator}, architecture)
"""


def test_spaces_of_no_registry_reach_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_of_a_user.py").write_text(_OF_A_USER)
    monkeypatch.syspath_prepend(tmp_path)
    from module_of_a_user import TwoWidths

    ready_made = create_space("mobilenet_v3_digits", 1, 10)
    assert isinstance(ready_made, MobileNetV3Space)
    shape = replace(ready_made.shape, kernel_sizes=(3,))
    spaces = [
        TwoWidths(widths=(8, 16)),
        RestrictedSpace(MobileNetV3Space("of_a_user", shape, 1, 10), {"depth": [1]}),
    ]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for space in spaces:
            largest = space.largest()
            assert pool.submit(methodcaller("layers", largest), space).result(timeout=120) == space.layers(largest)
            population = JointSpace(space).encode([JointSpace(space).largest()])
            assert pool.submit(methodcaller("__getitem__", 0), population).result(timeout=120) == population[0]
