"""Channels are followed through every operator that moves them."""

from __future__ import annotations

import pytest
import torch

from nas.compression.equalization.channel_flow import ChannelAxis, pass_scales
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.operators.arrangement import Flatten, GlobalPool, Pad, Pool, Reshape, Slice, Transpose
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.pointwise import Activation, Softmax
from search_spaces.operators.products import Add, Multiply

CHANNELS = 3
MOVES: list[tuple[Operator, ChannelAxis, Shape]] = [
    (Activation("relu"), ChannelAxis(-3), (3, 4, 5)),
    (Activation("leaky_relu", 0.2), ChannelAxis(-1), (4, 3)),
    (Pool("max", (2, 2), (2, 2), (0, 0)), ChannelAxis(-3), (3, 4, 5)),
    (Pool("mean", (2, 2), (2, 2), (1, 1)), ChannelAxis(-3), (3, 4, 5)),
    (GlobalPool(), ChannelAxis(-3), (3, 4, 5)),
    (GlobalPool((-2,), "max", True), ChannelAxis(-1), (4, 3)),
    (GlobalPool((-2,)), ChannelAxis(-1), (4, 3)),
    (Pad(((1, 2), (0, 1))), ChannelAxis(-3), (3, 4, 5)),
    (Slice(-1, 1, 3), ChannelAxis(-3), (3, 4, 5)),
    (Transpose((-2, -3, -1)), ChannelAxis(-3), (3, 4, 5)),
    (Flatten(), ChannelAxis(-3), (3, 4, 5)),
    (Reshape((60,)), ChannelAxis(-2), (4, 3, 5)),
    (Reshape((3, 20)), ChannelAxis(-3), (3, 4, 5)),
    (Reshape((4, 15)), ChannelAxis(-1, 5), (2, 2, 15)),
]


@pytest.mark.parametrize(("operator", "where", "shape"), MOVES, ids=lambda value: str(value))
def test_scales_come_out_where_it_says(operator: Operator, where: ChannelAxis, shape: Shape) -> None:
    scales = torch.tensor([0.5, 2.0, 8.0], dtype=torch.float64)

    def spread(size: int, place: ChannelAxis) -> torch.Tensor:
        each = scales[torch.arange(size) // place.repeat % CHANNELS]
        return each.view(-1, *[1] * (-place.axis - 1))

    inputs = torch.randn(2, *shape, dtype=torch.float64)
    plain = run_operator(operator, [inputs], [])
    found = pass_scales(operator, [where], [shape], tuple(plain.shape[1:]))
    assert found is not None
    scaled = run_operator(operator, [inputs * spread(shape[where.axis], where)], [])
    torch.testing.assert_close(scaled, plain * spread(plain.shape[found.axis], found))


@pytest.mark.parametrize(
    ("operator", "places"),
    [
        (Activation("gelu"), 1),
        (Softmax(), 1),
        (GlobalPool((-2,)), 1),  # over the axis of the channels
        (Pad(((1, 1), (0, 0))), 1),  # new channels
        (Pad(((1, 1),), 0.5), 1),
        (Reshape((2, 6)), 1),  # cuts the axis apart
        (Multiply(), 2),  # the squares of the scales
    ],
    ids=str,
)
def test_what_does_not_pass_scales_says_so(operator: Operator, places: int) -> None:
    shapes = [(3, 4)] * places
    assert pass_scales(operator, [ChannelAxis(-2)] * places, shapes, operator.output_shape(*shapes)) is None


def test_sums_pass_what_all_terms_have_and_products_what_one_has() -> None:
    where = ChannelAxis(-2)
    assert pass_scales(Add(), [where, where], [(3, 4)] * 2, (3, 4)) == where
    assert pass_scales(Add(), [where, None], [(3, 4)] * 2, (3, 4)) is None
    assert pass_scales(Add(), [where, ChannelAxis(-1)], [(3, 4)] * 2, (3, 4)) is None
    assert pass_scales(Multiply(), [None, where], [(3, 1), (3, 4)], (3, 4)) == where
