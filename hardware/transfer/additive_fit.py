"""An additive cost for a device where only whole networks were measured: a table per gene, fitted to latencies.

How well the tables predict held-out networks is part of the result. Independent of layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hardware.calibration.fit_quality import FitQuality, check_latencies
from search_spaces.additive_cost import AdditiveCost, FloatArray, Term
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

_FOLDS = 5  # of the cross-validation: each network is left out once, together with a fifth of all
_PENALTY = 1e-6  # ridge penalty per network: small, so that it only decides between fits that are otherwise equal


@dataclass(frozen=True)
class AdditiveFit:
    """Latency as a sum of what every gene costs.

    Attributes:
        cost: Latency by genes, in milliseconds.
        quality: Quality of predictions of networks that were left out of the fit.
    """

    cost: AdditiveCost
    quality: FitQuality

    @classmethod
    def fit(cls, population: Population, latency_ms: FloatArray, seed: int = 0) -> AdditiveFit:
        """Least squares over the values of all active genes.

        Args:
            population: The measured networks, 10 or more.
            latency_ms: Their latencies in milliseconds, shape (n,), positive.
            seed: Seed of the split into folds.

        Raises:
            ValueError: If there are fewer than 10 networks, the latencies have another shape, or a latency is not
                positive and finite.
        """
        targets = np.asarray(latency_ms, dtype=float)
        if targets.shape != (len(population),) or len(population) < 2 * _FOLDS:
            raise ValueError(
                f"a fit needs {2 * _FOLDS} or more networks and a latency of each, got {len(population)} networks and "
                f"latencies of shape {targets.shape}"
            )
        check_latencies(targets)
        features = population.one_hot()
        folds = np.random.default_rng(seed).permutation(len(targets)) % _FOLDS
        held_out = np.empty_like(targets)
        for fold in range(_FOLDS):
            kept = folds != fold
            constant, coefficients = _least_squares(features[kept], targets[kept])
            held_out[~kept] = constant + features[~kept] @ coefficients
        constant, coefficients = _least_squares(features, targets)
        return cls(_additive(population.space, constant, coefficients), FitQuality.compare(held_out, targets))


def _least_squares(features: FloatArray, targets: FloatArray) -> tuple[float, FloatArray]:
    """The constant and the coefficients, shape (f,), of a linear fit."""
    mean, centre = targets.mean(), features.mean(0)
    centred = features - centre
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += _PENALTY * len(targets)
    coefficients: FloatArray = np.linalg.solve(gram, centred.T @ (targets - mean))
    return float(mean - centre @ coefficients), coefficients


def _additive(space: JointSpace, constant: float, coefficients: FloatArray) -> AdditiveCost:
    """The cost with one term per gene, over the gene and the genes that decide whether it is active."""
    starts = np.cumsum(space.cardinalities) - space.cardinalities
    terms = []
    for gene, size in enumerate(space.cardinalities):
        columns = (gene, *_deciding(space, gene))
        shape = tuple(int(space.cardinalities[column]) for column in columns)
        genes = np.zeros((int(np.prod(shape)), len(space.cardinalities)), dtype=np.int16)
        genes[:, columns] = np.array(list(np.ndindex(shape)))
        active = space.is_active(genes)[:, gene]
        own = coefficients[starts[gene] : starts[gene] + size][genes[:, gene]]
        terms.append(Term(columns, np.where(active, own, 0.0).reshape(shape)))
    first = terms[0]
    return AdditiveCost([Term(first.columns, first.table + constant), *terms[1:]])


def _deciding(space: JointSpace, gene: int) -> list[int]:
    """The genes that decide whether a gene is active."""
    architectures = space.architectures
    if gene >= len(architectures.choices):
        return [
            architectures.choice_index[name] for name in architectures.slots[gene - len(architectures.choices)].genes
        ]
    found: list[int] = []
    choice = architectures.choices[gene]
    while choice.active_when is not None:
        found.append(architectures.choice_index[choice.active_when[0]])
        choice = architectures.choices[found[-1]]
    return found
