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
from nas.tasks.metrics.own_metric import OwnMetric
from nas.tasks.regression import REGRESSION
from nas.training.validation import SubnetValidation
from results.metric import Metric
from search_spaces.subspace import Subspace

CPU = torch.device("cpu")


@pytest.mark.parametrize("images", [150, 60])
def test_accuracies_are_a_function_of_weights_and_domain(lab: Callable[..., Any], images: int) -> None:
    trained = lab("resnet_digits")
    data = replace(trained.data, train=trained.data.train.take(slice(0, images)))
    net, whole = trained.supernet().train(), Subspace.whole(trained.space)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    found = SubnetValidation(data, 1, CPU).measure_subnets(net, whole).measured
    assert list(found) == ["largest", "smallest", "random"]
    assert all(0 <= accuracy <= 100 for accuracy in found.values())
    assert SubnetValidation(data, 1, CPU).measure_subnets(net, whole).measured == found
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
    found = SubnetValidation(trained.data, 1, CPU).measure_subnets(trained.supernet(), alone)
    assert found.measured.keys() == {"network"}


def test_every_subnet_is_measured_on_its_leaf(lab: Callable[..., Any]) -> None:
    trained = lab("resnet_digits")
    net, whole = trained.supernet(), Subspace.whole(trained.space)
    gene = next(number for number, gene in enumerate(trained.space.genes) if gene.name == "0.depth")
    net.split([(0, whole.restrict(gene, (0,))), (0, whole.restrict(gene, (1,)))])
    net.leaves[0].load_state_dict(trained.supernet(seed=3).leaves[0].state_dict())
    found = SubnetValidation(trained.data, 1, CPU).measure_subnets(net, whole).measured
    for name, leaf in (("smallest", trained.supernet(seed=3)), ("largest", trained.supernet())):
        assert found[name] == SubnetValidation(trained.data, 1, CPU).measure_subnets(leaf, whole).measured[name]


def test_numbers_are_measured_in_the_unit_of_the_labels(lab: Callable[..., Any]) -> None:
    """Fresh networks are about as far from the labels as the labels from their mean, whatever the unit."""
    trained, whole = lab("resnet_digits"), Subspace.whole(lab("resnet_digits").space)
    labels = torch.arange(150.0)[:, None] * torch.ones(1, 10)
    far = []
    for unit in (1.0, 1000.0):
        parts = {
            name: replace(getattr(trained.data, name), labels=unit * labels[: len(getattr(trained.data, name))])
            for name in ("train", "validation")
        }
        data = replace(trained.data, **parts, task=REGRESSION.fit(unit * labels))
        found = SubnetValidation(data, 1, CPU)
        assert found.metric.name == "mean_absolute_error"
        far.append(found.measure_subnets(trained.supernet(), whole).measured["largest"])
    assert far[1] == pytest.approx(1000 * far[0], rel=1e-3)


def test_a_metric_of_a_users_code_that_raises_ends_no_training(lab: Callable[..., Any]) -> None:
    trained, whole = lab("resnet_digits"), Subspace.whole(lab("resnet_digits").space)
    own = OwnMetric("math:sqrt", Metric("mine", ""))  # takes one argument
    found = SubnetValidation(trained.data, 1, CPU, own).measure_subnets(trained.supernet(), whole)
    assert found.measured == {}
    (note,) = found.notes
    assert note.startswith("mine could not be measured: math:sqrt raised TypeError")
