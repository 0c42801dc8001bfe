"""A search method: which searcher, with which options, and what it can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.searcher import Searcher
from search_spaces.quoting import quote

# Default size of the population of genetic methods, for budgets of hundreds: a larger one sees few generations.
POPULATION_SIZE = 20
MOST_AT_ONCE = (
    100_000  # candidates that a searcher holds, sorts and breeds at once: hundreds of times what is published
)


def check_count(name: str, count: int, most: int = MOST_AT_ONCE) -> None:
    """Refuses an option that must be a number of 1 or more.

    Args:
        name: The option.
        count: Its value.
        most: The most that it can be.

    Raises:
        ValueError: If it is below 1, or above the most.
    """
    if not 1 <= count <= most:
        raise ValueError(f"{name} must be from 1 to {most:,}, got {quote(count)}")


@dataclass(frozen=True)
class SearchMethod(ABC):
    """Describes a searcher; its fields are the options that a job may set, with their defaults.

    An option has a plain type (`int`, `float`, `bool`, `str`). Options are checked when the method is created: a value
    that is not allowed raises ValueError.

    Attributes:
        least_objectives: How many objectives it needs, constraints not counted.
        most_objectives: How many it supports; None is any number.
        needs_leaves: Whether it searches the leaves of a few-shot supernet.
        uses_low_fidelity: Whether it also asks for evaluations at a fidelity below 1, which only measurements can give.
        allocates_architectures: Whether it takes the damage of policies of a supernet, too, not only of a network.
        weighs_work: Whether it prefers candidates that take less to measure, where the problem knows the work of each.
        begins_uniform: Whether it measures every uniform policy before others, but after the bisection of a floor, so
            that its front is held against them.
        budgets_limits: Whether limits on tabulated costs bound its allocations, where the problem says so.
        has_outlook: Whether its searchers forecast the gain of more evaluations; see `Searcher.forecast`.
    """

    least_objectives: ClassVar[int] = 1
    most_objectives: ClassVar[int | None] = None
    needs_leaves: ClassVar[bool] = False
    uses_low_fidelity: ClassVar[bool] = False
    allocates_architectures: ClassVar[bool] = False
    weighs_work: ClassVar[bool] = False
    begins_uniform: ClassVar[bool] = False
    budgets_limits: ClassVar[bool] = False
    has_outlook: ClassVar[bool] = False

    @property
    def damage_metric(self) -> str | None:
        """The sensitivity metric whose table the problem must have, as `damage`; None needs no table."""
        return None

    @property
    def measures_architectures(self) -> bool:
        """Whether it asks for tables of damage of architectures of a supernet, too; see `SearchProblem`."""
        return False

    @abstractmethod
    def create(self, problem: SearchProblem, seed: int) -> Searcher:
        """A fresh searcher; equal methods, problems and seeds give searchers that ask for the same.

        Args:
            problem: The problem, one that `check` accepts.
            seed: Seed of all random choices.
        """

    @classmethod  # noqa: B027 most take any
    def check_metrics(cls, measured: Sequence[str], tabulated: Sequence[str]) -> None:
        """Refuses metrics that it cannot search, by how their values come about; by default it takes any.

        Args:
            measured: Names of those that are measured.
            tabulated: Names of those that are computed or looked up.

        Raises:
            ValueError: If it needs others.
        """

    @classmethod
    def supports(cls, objectives: int) -> bool:
        """Whether it can search this number of objectives, constraints not counted."""
        return cls.least_objectives <= objectives <= (cls.most_objectives or objectives)

    @classmethod
    def check(cls, problem: SearchProblem) -> None:
        """Refuses a problem that it cannot search.

        Raises:
            ValueError: If it has too many or too few objectives, or no leaves where they are needed.
        """
        count = len(problem.minimized)
        if not cls.supports(count):
            raise ValueError(f"{cls.__name__} takes {cls.describe_objectives()}, got {count}")
        if cls.needs_leaves and not problem.leaves:
            raise ValueError(
                f"{cls.__name__} needs a supernet with leaves, such as that of training.schedule: few_shot"
            )

    @classmethod
    def describe_objectives(cls) -> str:
        """How many objectives it takes, such as `2 or more objectives`."""
        least, most = cls.least_objectives, cls.most_objectives
        if most is None:
            return f"{least} or more objectives"
        return f"{least} objective{'s' * (least > 1)} only"
