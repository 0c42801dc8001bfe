"""Operators per tensor are found exactly where they depend on its use alone."""

from __future__ import annotations

import numpy as np

from hardware.calibration.conversions import Conversions, Networks, tally
from hardware.calibration.tensor_use import TensorUse
from hardware.calibration.tensors import Tensor

USES = [TensorUse.parse(text) for text in ("float", "float -> 1 int8", "int8", "int8 -> 2 float")]
COUNTS = {"Add": [0, 1, 0, 2], "Reorder": [1, 0, 0, 1]}
ELEMENTS = {"Add": [0.0, 1.0, 0.0, 2.0], "Reorder": [0.5, 0.0, 0.0, 1.0]}


def _networks(seed: int) -> tuple[Networks, list[dict[str, tuple[int, float]]]]:
    rng = np.random.default_rng(seed)
    networks = [
        [Tensor(USES[use], int(rng.integers(8, 4096))) for use in rng.integers(0, 4, rng.integers(4, 8))]
        for _ in range(30)
    ]
    operators = [
        {
            name: (
                sum(COUNTS[name][USES.index(tensor.use)] for tensor in network),
                sum(ELEMENTS[name][USES.index(tensor.use)] * tensor.elements for tensor in network),
            )
            for name in COUNTS
        }
        for network in networks
    ]
    return networks, operators


def test_tells_the_operators_of_networks_that_it_has_not_seen() -> None:
    conversions = Conversions.learn(*_networks(0))
    networks, operators = _networks(1)
    expected = [[network[name][part] for part in (0, 1) for name in ("Add", "Reorder")] for network in operators]
    assert np.allclose(conversions.count_operators(networks), expected)
    assert set(conversions.uses) == set(USES)


def test_tensors_of_unknown_uses_are_left_out() -> None:
    networks = [[Tensor(USES[1], 2), Tensor(USES[2], 4)], [Tensor(USES[0], 3), Tensor(USES[3], 1), Tensor(USES[3], 6)]]
    tensors, elements = tally([USES[0], USES[1], USES[3]], networks)
    assert tensors.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 2.0]]
    assert elements.tolist() == [[0.0, 2.0, 0.0], [3.0, 0.0, 7.0]]
