"""Forecasts the gain in hypervolume of more evaluations, and the uncertainty of that gain.

Draws from the predictors say what the next candidates may cost. The ratio of actual to expected gains in earlier rounds
corrects the forecast. Independent of any searcher and any metric.
"""

from __future__ import annotations

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.outlook import Outlook
from nas.search.surrogate.archive import Archive
from results.pareto import hypervolume, non_dominated

# The reference point lies behind the worst costs by this share of the front's extent, so that its ends add volume, too.
_MARGIN = 0.1
_MEMORY = 0.6  # weight of all earlier rounds relative to the last one, when forecasts are corrected
_SPREAD = 1.5  # factor by which either end of the interval is widened: all draws share the model's errors
_QUANTILES = (0.1, 0.9)  # of the gains of the draws, the ends of the interval before it is widened
_UNDECIDED = 0.001  # added to expected and actual gain: the correction stays near 1 while both are small


class GainForecast:
    """Forecasts the gain of a search round by round, and corrects itself by the actual gains.

    The hypervolume is that between the front and a reference point a little behind its worst costs. The actual gain of
    a round is computed with the reference point of its forecast, so that both are relative to the same hypervolume.

    Args:
        archive: All outcomes of the search; it grows as the search goes on.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._pending: tuple[int, FloatArray, float] | None = None  # evaluations, reference, expected gain of the round
        self._expected = self._came = 0.0  # gains of the rounds so far, weighted by their age

    def forecast(self, round_draws: FloatArray, draws: FloatArray) -> Outlook:
        """The outlook of as many more evaluations as `draws` has candidates.

        Args:
            round_draws: Draws of the costs of the next round's candidates, shape (draws, candidates, m).
            draws: Draws of the costs of the candidates of all evaluations that the outlook is for, in the same shape.

        Returns:
            The expected gain, corrected by the actual gains of earlier rounds, and its interval.
        """
        self._settle()
        front = self._archive.front
        reference = find_volume_reference(front)
        correction = (self._came + _UNDECIDED) / (self._expected + _UNDECIDED)
        self._pending = (len(self._archive), reference, float(_measure_gains(front, round_draws, reference).mean()))
        gains = correction * _measure_gains(front, draws, reference)
        gain = float(gains.mean())
        low, high = np.quantile(gains, _QUANTILES)
        # if few draws gain anything, but these much, the mean lies outside the quantiles
        return Outlook(draws.shape[1], gain, min(gain, float(low / _SPREAD)), max(gain, float(high * _SPREAD)))

    def _settle(self) -> None:
        """Compares the last forecast of a round with the actual gain since, if there are new outcomes."""
        if self._pending is None or self._pending[0] == len(self._archive):
            return
        evaluations, reference, expected = self._pending
        before, after = (self._archive.take_first(count) for count in (evaluations, len(self._archive)))
        came = hypervolume(after.front, reference) / hypervolume(before.front, reference) - 1.0
        self._expected = _MEMORY * self._expected + expected
        self._came = _MEMORY * self._came + came


def find_volume_reference(costs: FloatArray) -> FloatArray:
    """The reference point of hypervolumes: a little behind the worst costs of the front.

    Args:
        costs: Costs to be minimised, shape (n, m); n is 1 or more.

    Returns:
        The point, shape (m,).
    """
    front = costs[non_dominated(costs)]
    extent = np.ptp(front, axis=0)
    extent = np.where(extent > 0, extent, np.abs(front[0]))  # a front of one network has no extent
    return front.max(axis=0) + _MARGIN * np.where(extent > 0, extent, 1.0)


def _measure_gains(front: FloatArray, draws: FloatArray, reference: FloatArray) -> FloatArray:
    """The relative gain in hypervolume of the front by each draw, shape (draws,).

    Args:
        front: Costs of the front, shape (k, m).
        draws: Drawn costs of candidates, shape (draws, candidates, m).
        reference: Reference point, shape (m,).
    """
    present = hypervolume(front, reference)
    return np.array([hypervolume(np.concatenate([front, drawn]), reference) / present - 1.0 for drawn in draws])
