"""Rows times weights are the outputs of every kind of layer."""

from __future__ import annotations

import pytest
import torch

from nas.compression.repair.layer_rows import can_be_rows, draw_positions, sample_inputs, sample_outputs, to_rows
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution, Embedding, Linear

PLAIN = Convolution(4, 6, (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2), groups=2)
TRANSPOSED = Convolution(4, 6, (3, 2), (2, 3), ((1, 1), (0, 1)), (2, 1), 2, transposed=True, output_padding=(1, 0))
LAYERS = [
    (Linear(5, 3, bias=False), (5,)),
    (Linear(5, 3, bias=False), (7, 5)),
    (PLAIN, (4, 9, 8)),
    (TRANSPOSED, (4, 5, 4)),
    (Convolution(6, 6, (3,), (1,), ((1, 1),), (1,), groups=6), (6, 10)),
    (Convolution(3, 2, (3,), (2,), ((1, 1),), (1,), transposed=True), (3, 6)),
]


@pytest.mark.parametrize(("operator", "shape"), LAYERS)
def test_rows_times_the_weight_are_the_output(operator: Operator, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    weight = torch.randn(operator.parameter_shapes["weight"], generator=generator, dtype=torch.float64)
    output = run_operator(operator, [inputs], [weight])
    positions = draw_positions(operator, output, 1000, generator)
    rows = sample_inputs(operator, inputs, positions)
    found = rows @ to_rows(to_output_first(weight, operator), operator).transpose(1, 2)
    torch.testing.assert_close(found.transpose(0, 1).flatten(1), sample_outputs(operator, output, positions))
    few = draw_positions(operator, output, 2, generator)
    assert len(few) == 2
    assert sample_inputs(operator, inputs, few).shape[1] == len(sample_outputs(operator, output, few)) == 2
    every = draw_positions(operator, output, 1000, generator)
    assert torch.equal(every.sort().values, torch.arange(len(every)))
    assert sample_outputs(operator, output, every).numel() == output.numel()


def test_an_embedding_reads_no_rows() -> None:
    assert not can_be_rows(Embedding(4, 2))
