"""Batches are a function of the seed and the step, and are shared out among the members of a team."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from nas.data.augmentation.registry import AUGMENTATIONS
from nas.data.splits import DataSplits, Split
from nas.training.distributed.team import SingleProcess, Team
from nas.training.settings import TrainingSettings
from nas.training.step.batches import TrainingBatches


@dataclass(frozen=True)
class Member:
    rank: int
    size: int

    def average(self, tensors: Sequence[Tensor]) -> None:
        raise AssertionError("nobody averages batches")


def batches(data: DataSplits, batch_size: int = 40, seed: int = 1, team: Team | None = None) -> TrainingBatches:
    settings = TrainingSettings(batch_size, flip=True)
    return TrainingBatches(data, settings, seed, team or SingleProcess(), torch.device("cpu"))


def augmented(data: DataSplits, name: str, team: Team | None = None) -> TrainingBatches:
    settings = TrainingSettings(40, augmentation=(AUGMENTATIONS[name](),))
    return TrainingBatches(data, settings, 1, team or SingleProcess(), torch.device("cpu"))


@pytest.fixture(scope="module")
def numbered(few_digits: DataSplits) -> DataSplits:
    """Every image has a label of its own."""
    return replace(few_digits, train=replace(few_digits.train, labels=torch.arange(len(few_digits.train))))


def test_a_batch_depends_on_seed_and_step_only(few_digits: DataSplits) -> None:
    first, second = batches(few_digits), batches(few_digits)
    in_order = [first.load(step, 12) for step in range(7)]
    for step in (6, 0, 4, 1):  # as after a resumption anywhere
        again = second.load(step, 12)
        assert torch.equal(again.inputs, in_order[step].inputs)
        assert torch.equal(again.labels, in_order[step].labels)
    assert not torch.equal(batches(few_digits, seed=2).load(0, 12).inputs, in_order[0].inputs)
    assert first.load(0, 16).inputs.shape == (40, 1, 16, 16)
    assert torch.equal(first.load(0, 16).labels, in_order[0].labels)


def test_an_epoch_shows_every_image_at_most_once_in_an_order_of_its_own(numbered: DataSplits) -> None:
    chosen = batches(numbered)
    assert chosen.steps_per_epoch == 3  # 30 of 150 images are left out
    epochs = [torch.cat([chosen.load(3 * epoch + step, 12).labels for step in range(3)]) for epoch in range(2)]
    assert all(len(epoch.unique()) == 120 for epoch in epochs)
    assert not torch.equal(*epochs)


def test_every_step_and_member_moves_its_images_in_its_own_way(few_digits: DataSplits) -> None:
    alike = replace(few_digits, train=few_digits.train.take(torch.zeros(150, dtype=torch.int64)))
    first, second = (batches(alike).load(step, 12).inputs for step in (0, 1))
    assert not torch.equal(first, second)
    members = [batches(alike, team=Member(rank, 2)).load(0, 12).inputs for rank in (0, 1)]
    assert not torch.equal(*members)


@pytest.mark.parametrize("size", [2, 4])
def test_a_team_sees_the_images_of_one_process(numbered: DataSplits, size: int) -> None:
    for step in (0, 5):
        shares = [batches(numbered, team=Member(rank, size)).load(step, 12) for rank in range(size)]
        assert [len(share.labels) for share in shares] == [40 // size] * size
        together = torch.stack([share.labels for share in shares], 1).flatten()
        assert torch.equal(together, batches(numbered).load(step, 12).labels)


@pytest.mark.parametrize("name", list(AUGMENTATIONS))
def test_whatever_the_augmentation_a_batch_depends_on_seed_step_and_member_only(
    few_digits: DataSplits, name: str
) -> None:
    held = few_digits.validation.images.clone()
    first, second = augmented(few_digits, name), augmented(few_digits, name)
    in_order = [first.load(step, 12) for step in range(4)]
    for step in (3, 1):  # as after a resumption anywhere
        again = second.load(step, 12)
        assert torch.equal(again.inputs, in_order[step].inputs)
        assert torch.equal(again.labels, in_order[step].labels)
        assert (again.mixture is None) == (in_order[step].mixture is None) == (not AUGMENTATIONS[name].mixes)
        if again.mixture is not None and in_order[step].mixture is not None:
            assert again.mixture.weight == in_order[step].mixture.weight
            assert torch.equal(again.mixture.other_labels, in_order[step].mixture.other_labels)
    assert all(bool(batch.inputs.isfinite().all()) for batch in in_order)
    assert {batch.inputs.shape for batch in in_order} == {(40, 1, 12, 12)}
    alike = replace(few_digits, train=few_digits.train.take(torch.arange(150) % 2))
    members = [augmented(alike, name, Member(rank, 2)).load(0, 12).inputs for rank in (0, 1)]
    assert not torch.equal(*members)
    assert torch.equal(few_digits.validation.images, held)


def test_inputs_that_are_no_images_are_left_as_they_are(few_digits: DataSplits) -> None:
    flat = replace(few_digits, train=Split.of(few_digits.train.images.flatten(1), few_digits.train.labels))
    batches = TrainingBatches(flat, TrainingSettings(40), 1, SingleProcess(), torch.device("cpu"))
    assert batches._augmentations == ()
