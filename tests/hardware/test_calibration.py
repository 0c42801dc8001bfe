"""Calibration finds slope and constant, and says how far off it is."""

import numpy as np
import pytest

from hardware.calibration import Calibration

SUMS = np.array([0.5, 1.0, 1.5, 2.5, 4.0, 6.0, 7.0, 9.0])


def test_recovers_slope_and_constant() -> None:
    calibration = Calibration.fit(SUMS, 1.3 * SUMS + 0.2)
    assert (calibration.slope, calibration.constant_ms) == pytest.approx((1.3, 0.2))
    assert calibration.error_percent == pytest.approx(0.0, abs=1e-6)
    assert calibration.kendall_tau == pytest.approx(1.0)
    assert calibration.networks == 8
    assert calibration.apply(np.array([0.0, 10.0])) == pytest.approx([0.2, 13.2])


def test_one_disturbed_network_moves_nothing() -> None:
    measured = 1.3 * SUMS + 0.2
    measured[3] *= 3
    calibration = Calibration.fit(SUMS, measured)
    assert (calibration.slope, calibration.constant_ms) == pytest.approx((1.3, 0.2))
    assert calibration.error_percent is not None
    assert calibration.error_percent > 5


def test_predictions_are_never_negative() -> None:
    calibration = Calibration.fit(SUMS, 2.0 * SUMS - 0.6)
    assert calibration.slope > 0
    assert calibration.constant_ms == 0.0


@pytest.mark.parametrize("measured", [SUMS[:3], SUMS[:7], -SUMS, SUMS * np.nan])
def test_refuses_unusable_data(measured: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a calibration needs"):
        Calibration.fit(SUMS[:3] if len(measured) == 3 else SUMS, measured)
