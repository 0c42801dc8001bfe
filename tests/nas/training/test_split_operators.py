"""Fixture F8: operators that oppose each other are told apart, whatever a supernet is made of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas.training.distributed.team import Alone
from nas.training.few_shot.leaf_splits import divide, parts
from nas.training.schedules.phase import Split
from nas.training.step.gradients import Batch
from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.choices import Choice
from search_spaces.joint_space import JointSpace
from search_spaces.layer_slot import LayerSlot
from search_spaces.layer_spec import LayerSpec
from search_spaces.search_space import Genes, SearchSpace
from search_spaces.subspace import Subspace

OPERATORS = {"keep": 1.0, "copy": 1.0, "negate": -1.0}


class Operators(SearchSpace):
    """Two places, each with one of three operators; `keep` and `copy` are the same."""

    def __init__(self) -> None:
        names = ("0.operator", "1.operator")
        choices = [Choice("resolution", (1,)), *(Choice(name, tuple(OPERATORS)) for name in names)]
        super().__init__(
            "operators", choices, [LayerSlot("edge", names, lambda _: LayerSpec.linear("edge", 1, 2, bias=False))]
        )

    def decode(self, genes: Genes) -> Architecture:
        return Architecture(self.name, 1, tuple((OperatorBlock(tuple(OPERATORS)[gene]),) for gene in genes[1:]))

    def encode(self, architecture: Architecture) -> Genes:
        raise NotImplementedError


class Weights(nn.Module):
    """A scalar prefix; the operators of one place scale what it gives, those of the other do nothing."""

    def __init__(self, deciding: int) -> None:
        super().__init__()
        self.prefix, self.deciding = nn.Parameter(torch.zeros(())), deciding

    def forward(self, inputs: Tensor, architecture: Architecture, _policy: Any) -> Tensor:
        (block,) = architecture.stages[self.deciding]
        assert isinstance(block, OperatorBlock)
        outputs = OPERATORS[str(block.operator)] * self.prefix * inputs.flatten(1)
        return torch.cat([outputs, torch.zeros_like(outputs)], 1)


@pytest.mark.parametrize("deciding", [0, 1])
def test_the_place_whose_operators_conflict_is_split_between_them(deciding: int) -> None:
    space = JointSpace(Operators())
    inputs = torch.tensor([1.0, 2.0, -0.5, 1.5]).view(4, 1, 1, 1)
    net: Any = SimpleNamespace(leaves=[Weights(deciding)], leaf_subspaces=())
    whole = Subspace.whole(space)
    (division,) = divide(
        net, whole, Split(("operator",), batches=2), lambda *_: Batch(inputs, torch.tensor([0, 1, 1, 0])), Alone(), (0,)
    )
    assert space.genes[division.gene].name == f"{deciding}.operator"
    assert division.groups == ((0, 1), (2,))
    assert division.separation == pytest.approx(2.0)
    assert division.describe(space) == f"leaf 0 by {deciding}.operator: keep, copy | negate (separation 2)"
    assert [part.open[division.gene] for _, part in parts(net, whole, [division])] == [(0, 1), (2,)]
