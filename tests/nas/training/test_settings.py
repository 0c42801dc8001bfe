"""Settings that do not fit a training are refused before it starts."""

from __future__ import annotations

import pytest

from nas.data.augmentation.color_jitter import ColorJitter
from nas.data.augmentation.geometry import Flip, Shift
from nas.data.augmentation.mixing import CutMix, Mixup
from nas.tasks.classification import CLASSIFICATION
from nas.tasks.regression import REGRESSION
from nas.tasks.task import Task
from nas.training.schedules.phase import Phase
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings

PLAIN = Schedule((Phase("p", 1, 0.1),))
RAMP = Schedule((Phase("p", 1, 0.1, subnets=("largest", "random"), ramp=0.2),))


@pytest.mark.parametrize(
    ("settings", "schedule", "workers", "message"),
    [
        (TrainingSettings(151), PLAIN, 1, r"batch_size must lie in \[1, 150\], the training images; got 151"),
        (TrainingSettings(0), PLAIN, 1, "batch_size must lie in .*; got 0"),
        (
            TrainingSettings(50),
            PLAIN,
            4,
            "batch_size 50 must be divisible by the 4 training workers; use 2 or 5 workers",
        ),
        (TrainingSettings(50), PLAIN, 60, "by the 60 training workers; use 50 workers, or another batch_size"),
        (TrainingSettings(50, optimizer="scaled_adam"), RAMP, 1, "a ramp needs optimizer sgd, .* such as sandwich"),
        (TrainingSettings(4, augmentation=(Mixup(),)), PLAIN, 4, "augmentation mixup mixes the images that a worker"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    settings: TrainingSettings, schedule: Schedule, workers: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        settings.check(schedule, 150, workers)
    assert "\n" not in str(caught.value)


def test_settings_that_fit_are_accepted() -> None:
    TrainingSettings(150).check(RAMP, 150, 3)
    TrainingSettings(50, optimizer="scaled_adam").check(PLAIN, 150, 1)


@pytest.mark.parametrize(
    ("settings", "shape", "task", "message"),
    [
        (TrainingSettings(augmentation=(ColorJitter(),)), (4, 8, 8), CLASSIFICATION, "of 1 or 3 channels, .*, got 4"),
        (TrainingSettings(augmentation=(CutMix(),)), (3, 8, 8), REGRESSION, "augmentation cutmix is for .*take mixup"),
        (TrainingSettings(augmentation=(Shift(),)), (128,), CLASSIFICATION, r"shift is for images, .* shape \(128,\)"),
        (TrainingSettings(flip=True), (128,), CLASSIFICATION, "flip is for images, and the inputs are none"),
    ],
)
def test_augmentations_that_do_not_suit_the_data_are_refused(
    settings: TrainingSettings, shape: tuple[int, ...], task: Task, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        settings.check_inputs(shape, task)
    assert "\n" not in str(caught.value)
    TrainingSettings().check_inputs(shape, task)
    TrainingSettings(augmentation=()).check_inputs(shape, task)


def test_flip_is_of_the_default_alone() -> None:
    with pytest.raises(ValueError, match="flip belongs to the default augmentation; leave it out, or list flip"):
        TrainingSettings(flip=True, augmentation=(Shift(),))
    with pytest.raises(ValueError, match="must be listed once"):
        TrainingSettings(augmentation=(Flip(), Flip()))


def test_a_fingerprint_names_what_is_given_with_all_options() -> None:
    plain = TrainingSettings().described()
    assert "augmentation" not in plain  # stages of before are found again
    assert TrainingSettings(augmentation=(Flip(),)).described() == plain | {"augmentation": [["flip", {"share": 0.5}]]}
