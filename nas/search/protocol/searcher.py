"""The searcher: it asks for candidates and is told their costs.

It sees genes, costs and violations only; it is independent of families, metrics, devices and databases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from nas.objectives import FloatArray
from nas.search.protocol.outlook import Outlook
from search_spaces.population import Population


class Searcher(ABC):
    """Proposes candidates and learns from their costs.

    The contract, kept by tests over all searchers: the same seed and the same tells give the same asks; a candidate is
    never asked twice at the same fidelity; fewer than `n` are asked only when the space has no others left. Outcomes
    may come late and in any order; those of candidates that were never asked are welcome, too, and these are then not
    asked.

    Attributes:
        batch: How many candidates at a time serve it best.
        outlook: What it last foresaw of going on; None if nothing.
    """

    batch = 100
    outlook: Outlook | None = None

    def foresee(self, n: int) -> Outlook | None:  # noqa: ARG002 for searchers that foresee
        """Forecasts what more evaluations would bring, after all that was told; sets `outlook`.

        Args:
            n: How many candidates are asked next: then it changes none of the asks that follow.
        """
        return self.outlook

    @abstractmethod
    def ask(self, n: int) -> Population:
        """The next candidates, none of which was asked before at that fidelity.

        Args:
            n: How many are to be evaluated in full. Fewer are asked only when the space is exhausted. A searcher may
                first ask for any number of others at a lower `fidelity`, by which it chooses them.
        """

    @abstractmethod
    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Reports the outcome of asked candidates.

        Args:
            population: What was asked, in any portions and at the fidelity at which it was asked, or what is known from
                elsewhere.
            costs: To be minimised, shape (n, m).
            violations: Shape (n,); 0 where all limits are kept.
        """
