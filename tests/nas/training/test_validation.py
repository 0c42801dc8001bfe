"""Accuracies of subnets are measured, and that disturbs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nas.training.validation as module
from nas.training.validation import SubnetValidation
from search_spaces.subspace import Subspace

CPU = torch.device("cpu")


@pytest.mark.parametrize("images", [150, 60])
def test_accuracies_are_a_function_of_weights_and_domain(lab: Callable[..., Any], images: int) -> None:
    trained = lab("resnet_digits")
    data = replace(trained.data, train=trained.data.train.take(slice(0, images)))
    net, whole = trained.supernet().train(), Subspace.whole(trained.space)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    found = SubnetValidation(data, 1, CPU).measure_subnets(net, whole)
    assert list(found) == ["largest", "smallest", "random"]
    assert all(0 <= accuracy <= 100 for accuracy in found.values())
    assert SubnetValidation(data, 1, CPU).measure_subnets(net, whole) == found
    assert net.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ("images", "batches"),
    [
        (150, [100]),
        (100, [100]),
        (60, [60]),
    ],
)
def test_batch_norm_is_recalibrated_on_full_batches_or_on_all_there_is(
    lab: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, images: int, batches: list[int]
) -> None:
    trained, seen = lab("resnet_digits"), []

    def recalibrate(_network: nn.Module, inputs: Iterable[Tensor]) -> None:
        seen.append([len(one) for one in inputs])

    monkeypatch.setattr(module, "recalibrate_batch_norm", recalibrate)
    data = replace(trained.data, train=trained.data.train.take(slice(0, images)))
    SubnetValidation(data, 1, CPU).measure_subnets(
        trained.supernet().eval(), Subspace.only(trained.space, trained.space.largest())
    )
    assert seen == [batches]


def test_one_candidate_is_called_network(lab: Callable[..., Any]) -> None:
    trained = lab("resnet_digits")
    candidate = trained.space.sample(np.random.default_rng(0), 1)[0]
    alone = Subspace.only(trained.space, candidate)
    assert SubnetValidation(trained.data, 1, CPU).measure_subnets(trained.supernet(), alone).keys() == {"network"}


def test_every_subnet_is_measured_on_its_leaf(lab: Callable[..., Any]) -> None:
    trained = lab("resnet_digits")
    net, whole = trained.supernet(), Subspace.whole(trained.space)
    gene = next(number for number, gene in enumerate(trained.space.genes) if gene.name == "0.depth")
    net.split([(0, whole.restrict(gene, (0,))), (0, whole.restrict(gene, (1,)))])
    net.leaves[0].load_state_dict(trained.supernet(seed=3).leaves[0].state_dict())
    found = SubnetValidation(trained.data, 1, CPU).measure_subnets(net, whole)
    for name, leaf in (("smallest", trained.supernet(seed=3)), ("largest", trained.supernet())):
        assert found[name] == SubnetValidation(trained.data, 1, CPU).measure_subnets(leaf, whole)[name]
