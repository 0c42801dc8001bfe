"""The searcher: it asks for candidates and is told their costs.

It sees genes, costs and violations only; it is independent of families, metrics, devices and databases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.outlook import Outlook
from search_spaces.population import Population


class Searcher(ABC):
    """Proposes candidates and learns from their costs.

    Tests hold all searchers to this contract. The same seed and the same calls of `tell` give the same answers of
    `ask`. No candidate is asked for twice at the same fidelity. Fewer than `n` candidates are asked for only when the
    searcher finds no others: in a small space, none are left. Outcomes may be told late and in any order. Outcomes of
    candidates that the searcher never asked for may be told, too; it then does not ask for these candidates. One whose
    evaluation failed has no costs: it is as infeasible as can be, and is not asked for again at any fidelity.

    Attributes:
        batch: Number of candidates to ask for at a time that suits it best; outcomes may change it.
        outlook: Its last forecast of the gain of more evaluations; None if it has made none.
        notes: What it left out or could not do, one line each, for who reads its result.
    """

    batch = 100
    outlook: Outlook | None = None
    notes: tuple[str, ...] = ()

    def forecast(self, n: int) -> Outlook | None:  # noqa: ARG002 for searchers that forecast
        """Forecasts the gain of more evaluations, given all outcomes so far; sets and returns `outlook`.

        Args:
            n: Number of candidates of the next `ask`. If that number is right, the forecast does not change what is
                asked for later.
        """
        return self.outlook

    @abstractmethod
    def ask(self, n: int) -> Population:
        """The next candidates, none of which was asked for before at that fidelity.

        Args:
            n: Number of candidates to be evaluated in full. A searcher that chooses them by a lower `fidelity` may
                first ask for any number of candidates at that fidelity.
        """

    @abstractmethod
    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Reports the outcome of asked candidates.

        Args:
            population: Candidates that were asked for, in any portions, at the fidelity at which they were asked for;
                or candidates that were evaluated elsewhere.
            costs: To be minimised, shape (n, m).
            violations: Shape (n,); 0 where all limits are kept.

        Raises:
            ValueError: If a cost is not finite, or a violation is negative or not a number; see `check_outcomes`.
        """

    def tell_failures(self, population: Population) -> None:  # noqa: B027 what was asked for is not asked for again
        """Reports candidates whose evaluation failed, so that the searcher does not wait for their costs.

        A searcher that need not know which of its candidates are still being evaluated, and at one fidelity only, may
        leave this out.

        Args:
            population: Candidates that were asked for, in any portions, at the fidelity at which they were asked for;
                or others, which are then not to be asked for.
        """


def check_outcomes(costs: FloatArray, violations: FloatArray) -> None:
    """Refuses outcomes that compare with nothing: a candidate without costs has failed, and is told as a failure.

    Args:
        costs: To be minimised, shape (n, m).
        violations: Shape (n,); 0 where all limits are kept.

    Raises:
        ValueError: If a cost is not finite, or a violation is negative or not a number.
    """
    if not np.isfinite(costs).all() or not (violations >= 0).all():
        raise ValueError("a searcher is told finite costs and violations of 0 or more; tell others as failures")
