"""Operators per tensor are found exactly where they depend on its use alone."""

from __future__ import annotations

import numpy as np

from hardware.calibration.conversions import Conversions, tally
from hardware.calibration.tensor_uses import NO_TENSOR, FloatArray, IntArray

USES = np.array([1, 257, 2, 514], dtype=np.int32)  # two forms, with and without readers
COUNTS = {"Add": [0, 1, 0, 2], "Reorder": [1, 0, 0, 1]}
ELEMENTS = {"Add": [0.0, 1.0, 0.0, 2.0], "Reorder": [0.5, 0.0, 0.0, 1.0]}


def _networks(seed: int) -> tuple[IntArray, FloatArray, list[dict[str, tuple[int, float]]]]:
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 4, size=(30, 7))
    there = rng.random((30, 7)) < 0.8
    uses, sizes = np.where(there, USES[which], NO_TENSOR), np.where(there, rng.integers(8, 4096, (30, 7)), 0.0)
    operators = [
        {
            name: (
                int(np.array(COUNTS[name])[which[row][there[row]]].sum()),
                float((np.array(ELEMENTS[name])[which[row][there[row]]] * sizes[row][there[row]]).sum()),
            )
            for name in COUNTS
        }
        for row in range(30)
    ]
    return uses.astype(np.int32), sizes, operators


def test_tells_the_operators_of_networks_that_it_has_not_seen() -> None:
    conversions = Conversions.learn(*_networks(0))
    uses, sizes, operators = _networks(1)
    expected = [[network[name][part] for part in (0, 1) for name in ("Add", "Reorder")] for network in operators]
    assert np.allclose(conversions.operators(uses, sizes), expected)
    assert conversions.uses.tolist() == [1, 2, 257, 514]


def test_tensors_of_unknown_uses_are_left_out() -> None:
    known = np.array([1, 257, 514], dtype=np.int32)
    found = tally(
        known, np.array([[257, 769, NO_TENSOR], [3, 514, 514]], np.int32), np.array([[2.0, 4.0, 0.0], [3.0, 1.0, 1.0]])
    )
    assert found.tolist() == [[0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
