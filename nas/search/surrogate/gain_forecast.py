"""Forecasts what going on would bring: the expected gain in hypervolume of more evaluations, and how sure that is.

Draws of the predictors say what the next candidates may turn out to cost; what earlier forecasts promised and what came
corrects them. Independent of any searcher and any metric.
"""

from __future__ import annotations

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.outlook import Outlook
from nas.search.surrogate.archive import Archive
from results.pareto import hypervolume, non_dominated

_MARGIN = 0.1  # of the extent of the front, by which its worst costs lie before the reference point: ends count, too
_MEMORY = 0.6  # weight of what came before a round against the round itself, when forecasts are corrected
_SPREAD = 1.5  # factor by which the interval of the draws is widened on either side: draws share the model's errors
_QUANTILES = (0.1, 0.9)  # of the draws: the ends of the interval, before it is widened
_UNDECIDED = 0.001  # gain that is added to what was expected and to what came: few rounds correct little


class GainForecast:
    """Forecasts the gain of a search round by round, and learns from what came of its forecasts.

    The volume is that between the front and a point that lies a little behind its worst costs, in natural units. The
    reference point of a forecast stays its own, so that what came is held against the same volume.

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
            round_draws: Costs that the candidates of the next round may have, shape (draws, candidates, m).
            draws: The same of as many candidates as the outlook is for.

        Returns:
            The expected gain, corrected by what came of earlier forecasts, and its interval.
        """
        self._settle()
        front = self._archive.front
        reference = find_volume_reference(front)
        correction = (self._came + _UNDECIDED) / (self._expected + _UNDECIDED)
        self._pending = (len(self._archive), reference, float(_measure_gains(front, round_draws, reference).mean()))
        gains = correction * _measure_gains(front, draws, reference)
        gain = float(gains.mean())
        low, high = np.quantile(gains, _QUANTILES)
        # where few draws gain anything, and these much, the mean lies beyond the quantiles
        return Outlook(draws.shape[1], gain, min(gain, float(low / _SPREAD)), max(gain, float(high * _SPREAD)))

    def _settle(self) -> None:
        """Compares the last forecast of a round with what came since, if anything did."""
        if self._pending is None or self._pending[0] == len(self._archive):
            return
        evaluations, reference, expected = self._pending
        before, after = (self._archive.take_first(count) for count in (evaluations, len(self._archive)))
        came = hypervolume(after.front, reference) / hypervolume(before.front, reference) - 1.0
        self._expected = _MEMORY * self._expected + expected
        self._came = _MEMORY * self._came + came


def find_volume_reference(costs: FloatArray) -> FloatArray:
    """A point a little behind the worst costs of the front, to measure volumes from.

    Args:
        costs: To be minimised, shape (n, m); n is 1 or more.

    Returns:
        Shape (m,).
    """
    front = costs[non_dominated(costs)]
    extent = np.ptp(front, axis=0)
    extent = np.where(extent > 0, extent, np.abs(front[0]))  # a front of one network has no extent
    return front.max(axis=0) + _MARGIN * np.where(extent > 0, extent, 1.0)


def _measure_gains(front: FloatArray, draws: FloatArray, reference: FloatArray) -> FloatArray:
    """By what share each draw, shape (candidates, m), would add to the volume of the front; shape (draws,)."""
    present = hypervolume(front, reference)
    return np.array([hypervolume(np.concatenate([front, drawn]), reference) / present - 1.0 for drawn in draws])
