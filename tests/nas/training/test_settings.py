"""Settings that do not fit a training are refused before it starts."""

from __future__ import annotations

import pytest

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
