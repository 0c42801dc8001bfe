"""How well a fit predicts latencies of held-out networks, and whether that is good enough for limits.

Independent of what was fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from search_spaces.additive_cost import FloatArray

# Share of the variance that a fit must explain: noisy phones lie at 0.2 to 0.4, usable devices above 0.85.
LEAST_EXPLAINED = 0.8


@dataclass(frozen=True, slots=True)
class FitQuality:
    """Agreement of predictions with measurements.

    Attributes:
        error_percent: Mean absolute percentage error.
        kendall_tau: Kendall's rank correlation; 0 if all predictions or all measurements are equal.
        explained: Share of the variance of the measurements that is explained; may be negative.
        networks: Number of networks that were compared.
    """

    error_percent: float
    kendall_tau: float
    explained: float
    networks: int

    @classmethod
    def compare(cls, predicted: FloatArray, measured: FloatArray) -> FitQuality:
        """The quality of predictions.

        Args:
            predicted: Predicted latencies, shape (n,), n >= 2.
            measured: Measured latencies, shape (n,), positive.

        Raises:
            ValueError: If the shapes differ, there are fewer than 2 values, a value is not finite, or a measurement is
                not positive.
        """
        guess, truth = np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float)
        if guess.shape != truth.shape or truth.ndim != 1 or len(truth) < 2:
            raise ValueError(
                f"a comparison needs two arrays of one shape (n,), n >= 2, got {guess.shape}, {truth.shape}"
            )
        if not (np.isfinite(guess + truth).all() and (truth > 0).all()):
            raise ValueError("a comparison needs finite predictions and positive measurements")
        from scipy.stats import kendalltau

        tau = float(kendalltau(guess, truth).statistic)
        variance = float(truth.var())
        explained = 1 - float(((guess - truth) ** 2).mean()) / variance if variance else 0.0
        error = 100 * float((np.abs(guess - truth) / truth).mean())
        return cls(error, 0.0 if np.isnan(tau) else tau, explained, len(truth))

    def require(
        self, what: str, remedy: str = "measure again with less noise", least_explained: float = LEAST_EXPLAINED
    ) -> None:
        """Refuses a fit that explains too little of the variance for hard limits.

        Args:
            what: Name of the fit, for the message.
            remedy: Advice to the user, for the message.
            least_explained: Share of the variance that must be explained.

        Raises:
            ValueError: If the fit explains a smaller share.
        """
        if not self.explained >= least_explained:  # nor if it is no number
            raise ValueError(
                f"{what} explains {self.explained:.3f} of the variance of networks that were held out (error "
                f"{self.error_percent:.1f} %); hard limits need {least_explained} or more: {remedy}"
            )


def check_latencies(latency_ms: FloatArray) -> None:
    """Checks latencies of any shape.

    Raises:
        ValueError: If a latency is not positive and finite.
    """
    if not (np.isfinite(latency_ms) & (latency_ms > 0)).all():
        raise ValueError("latencies must be positive and finite numbers of milliseconds")
