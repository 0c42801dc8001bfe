"""Shapes of what the engine does not understand are stated, not derived."""

from __future__ import annotations

import pytest

from search_spaces.operators.opaque import Constant, Item, Opaque


def test_an_opaque_piece_has_its_stated_shape_and_no_known_work() -> None:
    opaque = Opaque("aten.cumsum.default", '[[{"input":0},-1],{}]', (3, 4))
    assert opaque.output_shape((9, 9)) == (3, 4)
    assert (opaque.macs((9, 9)), opaque.parameters, opaque.weight_shape) == (0, 0, None)
    assert Item(1, (2,)).output_shape(()) == (2,)


def test_a_constant_has_no_batch_axis_of_its_own() -> None:
    assert Constant((1, 3, 4)).output_shape() == (3, 4)
    assert Constant((1, 1, 8, 1)).output_shape() == (8, 1)
    with pytest.raises(ValueError, match="operator constant reads nothing"):
        Constant((3,)).output_shape((3,))
