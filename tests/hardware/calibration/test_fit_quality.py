"""The quality of a fit is what it says, and a poor one is refused."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.calibration.fit_quality import FitQuality

MEASURED = np.array([1.0, 2.0, 4.0, 5.0])


def test_quality_by_hand() -> None:
    found = FitQuality.compare(np.array([1.1, 1.8, 5.0, 4.0]), MEASURED)
    assert found.error_percent == pytest.approx(100 * (0.1 + 0.1 + 0.25 + 0.2) / 4)
    assert found.kendall_tau == pytest.approx(4 / 6)
    assert found.explained == pytest.approx(1 - (0.01 + 0.04 + 1 + 1) / 10)
    assert found.networks == 4
    assert FitQuality.compare(np.ones(4), MEASURED).kendall_tau == 0


def test_a_poor_fit_is_refused_unless_less_is_asked_for() -> None:
    FitQuality.compare(MEASURED, MEASURED).require("a perfect table")
    poor = FitQuality.compare(np.array([1.1, 1.8, 5.0, 4.0]), MEASURED)
    with pytest.raises(ValueError, match=r"the table of a phone explains 0.795 of .* hard limits need 0.8"):
        poor.require("the table of a phone")
    poor.require("the table of a phone", least_explained=0.5)


@pytest.mark.parametrize(
    ("predicted", "measured"),
    [(np.ones(3), MEASURED), (np.ones(1), np.ones(1)), (np.full(4, np.nan), MEASURED), (MEASURED, -MEASURED)],
)
def test_what_cannot_be_compared_is_refused(predicted: np.ndarray, measured: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a comparison needs"):
        FitQuality.compare(predicted, measured)
