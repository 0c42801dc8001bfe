"""What accuracy a measured candidate will have on new images, given all that is measured of its supernet.

In: candidates and their accuracies on the validation images. Out: an expected accuracy of each, and how sure that is.
Knows no search and no database.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.jobs.stages.warm_start import Known
from nas.objectives import FloatArray
from nas.search.surrogate.surrogate import searched_features
from predictors.posterior import infer_noise_free


@dataclass(frozen=True)
class ExpectedAccuracy:
    """Posterior mean and standard deviation of accuracies on new images, each in percent, shape (n,)."""

    mean: FloatArray
    std: FloatArray

    def take(self, rows: slice | NDArray[np.int64]) -> ExpectedAccuracy:
        """Those of a slice, or at row numbers."""
        return ExpectedAccuracy(self.mean[rows], self.std[rows])


def expect_accuracy(known: Known, images: int, seed: int = 0) -> ExpectedAccuracy:
    """The accuracy of every measured candidate on new images, from what was measured of all of them.

    The most accurate of many candidates by their scores is mostly the luckiest, the more so the fewer images judged
    them. Similar candidates are as accurate and not as lucky, so the posterior mean given all of them is what holds.

    A score has at least the binomial noise of counting its images. All candidates are judged by the same images, so
    they share part of that luck, most of it with similar ones: the noise is therefore taken in full, though less of it
    is a candidate's own, and what all share stays in the standard deviation, for no comparison of candidates shows it.

    Args:
        known: Candidates, n of them, and their accuracies on the same validation images.
        images: How many images these are.
        seed: Seed of the candidates that are learnt from, where they are too many.
    """

    def noise(percent: FloatArray) -> FloatArray:
        # one success and one failure more, else a perfect score would be taken as certain
        share = (np.clip(percent, 0.0, 100.0) / 100.0 * images + 1.0) / (images + 2.0)
        return 100.0 * np.sqrt(share * (1.0 - share) / images)

    # a candidate that is there twice was measured once
    _, first, which = np.unique(known.population.genes, axis=0, return_index=True, return_inverse=True)
    once = known.population.take(first)
    found = infer_noise_free(searched_features(once), known.accuracy[first], noise, seed)
    mean = np.clip(found.mean, 0.0, 100.0)
    return ExpectedAccuracy(mean, np.hypot(found.std, noise(mean))).take(which.reshape(-1))
