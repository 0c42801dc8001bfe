"""Which run of the database a search is: searches that differ in how they proceed are runs of their own.

Ways of searching came one after the other, each with a mark in the record of its runs. A search that was begun goes on
in the way in which it was begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.jobs.execution import Execution
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import ExactCosts
from nas.jobs.stages.subject import Subject
from results.evaluation import RunRecord

_WORK, _BUDGETS, _PAIRS = {"gain": "for its work"}, {"limits": "budgets"}, {"damage": "pairs"}


@dataclass(frozen=True)
class SearchIdentity:
    """The run of a search, which still may go by pair terms or not.

    Attributes:
        alone: Its record if it goes without pair terms, still without the runs that it starts from.
        by_pairs: The same if it goes by them.
        is_begun: Whether the run without exists.
        is_begun_by_pairs: Whether the run by pair terms exists.
        weighs_work: Whether it weighs the work that a candidate takes.
        budgeted: As for `SearchProblem`.
    """

    alone: RunRecord
    by_pairs: RunRecord
    is_begun: bool
    is_begun_by_pairs: bool
    weighs_work: bool
    budgeted: bool

    @property
    def is_new(self) -> bool:
        """Whether it was not begun, in either way."""
        return not self.is_begun and not self.is_begun_by_pairs

    def choose(self, has_pairs: bool) -> RunRecord:
        """The record of the search, now that its damage is known.

        Args:
            has_pairs: Whether there are pair terms.

        Raises:
            ValueError: If it was begun by pair terms, and there are none any more.
        """
        if self.is_begun_by_pairs and not self.is_begun and not has_pairs:
            raise ValueError(
                f"the search of job {self.alone.job!r} was begun by pair terms, and there are none now; bring back the "
                "folders sensitivity-* and pairs-* of the job as they were, or begin another by another name or --runs"
            )
        return self.by_pairs if has_pairs else self.alone


def find_identity(
    section: SearchSection, subject: Subject, costs: ExactCosts, execution: Execution, weighs_work: bool
) -> SearchIdentity:
    """The run that the search of a job is: the one that was begun, or as a search is begun now.

    Args:
        section: The search section of the job.
        subject: The network, the images and the metrics.
        costs: The exact costs.
        execution: The runs of the job.
        weighs_work: Whether a search that is begun now weighs the work that candidates take.
    """
    inputs = {**subject.inputs, **costs.inputs, "search": section.describe()}
    inputs |= {"given": dict(subject.given)} if subject.given else {}

    def record(marks: Mapping[str, str]) -> RunRecord:
        return execution.runs.record("search", {**inputs, **marks}, costs.device, subject.digest)

    # in the order in which searches came to be told apart
    kinds: list[dict[str, str]] = [{}]
    kinds += [_WORK] if weighs_work else []
    kinds += [kinds[-1] | _BUDGETS] if _has_budgets(section) else []
    found = []
    for kind in kinds:
        alone, by_pairs = record(kind), record(kind | _PAIRS)
        begun, begun_by_pairs = (execution.runs.database.has_run(one.run) for one in (alone, by_pairs))
        found.append(SearchIdentity(alone, by_pairs, begun, begun_by_pairs, "gain" in kind, "limits" in kind))
    return next((one for one in found if not one.is_new), found[-1])


def _has_budgets(section: SearchSection) -> bool:
    """Whether limits on tabulated costs bound the allocations of the searcher."""
    return section.method().budgets_limits and any(name not in section.measured for name in section.limits)
