"""Sensitive layers are drawn with more bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import nas.training.bit_sampling.policy_probabilities as module
from nas.tasks.regression import REGRESSION
from nas.tasks.task import Mixture
from nas.training.bit_sampling.policy_probabilities import PolicyProbabilities, compute_policy_probabilities
from nas.training.distributed.team import SingleProcess
from nas.training.step.gradients import Batch
from search_spaces.subspace import Subspace

BITS = ("w32a32", "w8a8", "w4a8")
PROPORTIONAL = pytest.approx([1 / 3, 2 / 3 * 8 / 12, 2 / 3 * 4 / 12])
UNIFORM = pytest.approx([1 / 3] * 3)
BATCH = Batch(torch.randn(16, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 10)


@pytest.mark.parametrize("name", ["mobilenet_v3_digits", "resnet_digits"])
def test_every_policy_gene_has_probabilities_that_its_generator_decides(lab: Callable[..., Any], name: str) -> None:
    space = lab(name, BITS).space

    def probabilities(seed: int) -> PolicyProbabilities:
        net = lab(name, BITS).supernet().train()
        before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
        found = compute_policy_probabilities(net, space, BATCH, SingleProcess(), torch.Generator().manual_seed(seed))
        assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
        assert net.training
        return found

    found = probabilities(0)
    assert sorted(found) == [number for number, gene in enumerate(space.genes) if gene.is_policy]
    sensitive = [row for row in found.values() if row == PROPORTIONAL]
    assert all(row in (PROPORTIONAL, UNIFORM) for row in found.values())
    assert 0 < len(sensitive) < len(found)
    assert probabilities(0) == found


def test_any_task_has_a_hessian(lab: Callable[..., Any]) -> None:
    trained = lab("resnet_digits", BITS)
    labels = torch.randn(16, 10, generator=torch.Generator().manual_seed(0))
    batch = replace(BATCH, labels=labels, mixture=Mixture(labels.flip(0), 0.5))
    generator = torch.Generator().manual_seed(0)
    found = compute_policy_probabilities(
        trained.supernet().train(), trained.space, batch, SingleProcess(), generator, REGRESSION
    )
    assert all(sum(row) == pytest.approx(1) for row in found.values())


def test_the_sensitive_layer_is_drawn_with_more_bits(lab: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    trained = lab("mobilenet_v3_digits", BITS)
    space, net = trained.space, trained.supernet()
    planted = net.leaves[0].network.get_submodule("stages.1.0.depthwise").op.weight

    def traces(_loss: object, weights: Sequence[torch.Tensor], *_: object) -> list[float]:
        (number,) = [n for n, w in enumerate(weights) if w.shape == planted.shape and torch.equal(w, planted)]
        return [float(n == number) for n in range(len(weights))]

    monkeypatch.setattr(module, "estimate_hessian_traces", traces)
    probabilities = compute_policy_probabilities(net, space, BATCH, SingleProcess(), torch.Generator())
    for number, row in probabilities.items():
        assert row == (PROPORTIONAL if space.genes[number].name == "stages.1.0.depthwise.policy" else UNIFORM)
    number = next(n for n, gene in enumerate(space.genes) if gene.name == "stages.1.0.depthwise.policy")
    genes = Subspace.whole(space).with_probabilities(probabilities).sample(np.random.default_rng(0), 4000).genes
    assert (np.bincount(genes[:, number]) / 4000).tolist() == pytest.approx([3 / 9, 4 / 9, 2 / 9], abs=0.03)


def test_a_split_supernet_without_float_weights_has_probabilities(lab: Callable[..., Any]) -> None:
    trained = lab("resnet_digits", ("w8a8", "w4a8"))
    net, whole = trained.supernet(), Subspace.whole(trained.space)
    net.split([(0, whole.restrict(0, (0,))), (0, whole.restrict(0, (1,)))])
    assert compute_policy_probabilities(net, trained.space, BATCH, SingleProcess(), torch.Generator())
