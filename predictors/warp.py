"""A monotone warp of targets: it maps skewed values to roughly normal ones, and back.

Accuracies are skewed: many networks are good and a few collapse. A least-squares model of the raw values would fit the
few at the expense of the many; a model of the warped values fits all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictors.predictor import FloatArray

_EXPONENTS = (-2.0, 4.0)  # range of the search for the most likely exponent; 1 leaves values as they are


@dataclass(frozen=True)
class Warp:
    """The Yeo-Johnson transform of robustly scaled values, then standardised.

    Outside the range of the fitted targets it is a straight line. Its slope on the way back is that of the transform at
    the end of the range, but at most the mean slope over the range: for exponents outside 0..2, the transform itself is
    bounded on one side, and its inverse grows without bound there.

    Source: Yeo and Johnson, A new family of power transformations to improve normality or symmetry, Biometrika 2000;
    exponent by maximum likelihood. All attributes come from `Warp.fit`.

    Attributes:
        center: Median of the targets.
        scale: Their interquartile range, or where many are equal their standard deviation.
        exponent: Exponent of the transform.
        shift: Mean of the transformed targets.
        spread: Standard deviation of the transformed targets.
        lowest: Least target, scaled.
        highest: Largest target, scaled.
    """

    center: float
    scale: float
    exponent: float
    shift: float
    spread: float
    lowest: float
    highest: float

    @classmethod
    def fit(cls, targets: FloatArray) -> Warp:
        """The most likely warp of targets of shape (n,); for constant targets it only subtracts them.

        Raises:
            ValueError: If a target is not finite.
        """
        if not np.isfinite(targets).all():
            raise ValueError(f"targets must be finite, got {np.count_nonzero(~np.isfinite(targets))} that are not")
        lower, center, upper = np.percentile(targets, [25, 50, 75])
        deviation = float(targets.std())
        scale = float(upper - lower) if upper - lower > 0.01 * deviation else deviation  # many ties: no quartile range
        if scale <= 1e-12 * abs(center):
            return cls(float(center), 1.0, 1.0, 0.0, 1.0, 0.0, 0.0)
        from scipy.optimize import minimize_scalar
        from scipy.stats import yeojohnson_llf

        values = (targets - center) / scale
        found = minimize_scalar(lambda exponent: -yeojohnson_llf(exponent, values), bounds=_EXPONENTS, method="bounded")
        powered = _power(values, float(found.x))
        return cls(
            center=float(center),
            scale=scale,
            exponent=float(found.x),
            shift=float(powered.mean()),
            spread=float(powered.std()),
            lowest=float(values.min()),
            highest=float(values.max()),
        )

    def forward(self, targets: FloatArray) -> FloatArray:
        """Warped targets, shape (n,): mean 0 and standard deviation 1 over the fitted ones."""
        values = (targets - self.center) / self.scale
        below, above = self._slopes()
        powered = _power(np.clip(values, self.lowest, self.highest), self.exponent)
        powered += np.minimum(values - self.lowest, 0.0) / below + np.maximum(values - self.highest, 0.0) / above
        return (powered - self.shift) / self.spread

    def backward(self, warped: FloatArray) -> FloatArray:
        """The targets of any warped values, same shape; strictly increasing."""
        powered = warped * self.spread + self.shift
        bottom, top = _power(np.array([self.lowest, self.highest]), self.exponent)
        below, above = self._slopes()
        values = _unpower(np.clip(powered, bottom, top), self.exponent)
        values += below * np.minimum(powered - bottom, 0.0) + above * np.maximum(powered - top, 0.0)
        return values * self.scale + self.center

    def _slopes(self) -> tuple[float, float]:
        """Slopes of the way back (scaled values by transformed values) below and above the range of the targets."""
        ends = np.array([self.lowest, self.highest])
        bottom, top = _power(ends, self.exponent)
        mean_slope = (self.highest - self.lowest) / (top - bottom) if top > bottom else 1.0
        tangents = (1.0 + np.abs(ends)) ** (np.sign(ends) * (1.0 - self.exponent))
        below, above = np.minimum(tangents, mean_slope).tolist()
        return below, above


def _power(values: FloatArray, exponent: float) -> FloatArray:
    """Yeo-Johnson: a Box-Cox transform of 1 + |v|, with exponent e above zero and 2 - e, mirrored, below."""
    exponents = np.where(values >= 0, exponent, 2.0 - exponent)
    logs = np.log1p(np.abs(values))
    flat = np.abs(exponents) < 1e-9
    magnitude = np.where(flat, logs, np.expm1(exponents * logs) / np.where(flat, 1.0, exponents))
    return np.copysign(magnitude, values)


def _unpower(powered: FloatArray, exponent: float) -> FloatArray:
    """The inverse of `_power`, on its range."""
    exponents = np.where(powered >= 0, exponent, 2.0 - exponent)
    flat = np.abs(exponents) < 1e-9
    magnitude = np.abs(powered)
    logs = np.where(flat, magnitude, np.log1p(exponents * magnitude) / np.where(flat, 1.0, exponents))
    return np.copysign(np.expm1(logs), powered)
