"""The costs of candidates that are computed without a measurement: analytic costs, and those of a latency table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

from hardware.analytic import network_cost
from hardware.tables.latency_table import LatencyTable, MissingCost
from hardware.tables.pricing import tabulate_prices
from nas.jobs.files.limit import resolve_limit
from nas.jobs.files.search_section import SearchSection, is_table_cost
from nas.objectives import AdditiveEvaluator, Evaluator, Objective
from results.metric import Metric, get_metric
from search_spaces.additive_cost import AdditiveCost
from search_spaces.joint_space import JointSpace


@dataclass(frozen=True, eq=False)  # hashed by identity: the entries of a table cannot be
class StoredTable:
    """A latency table and the file that it was read from.

    Attributes:
        path: The file, whose digest is part of the inputs of stages.
        table: The table.
    """

    path: Path
    table: LatencyTable

    @property
    def error_percent(self) -> float | None:
        """Mean error in percent of its latencies on whole networks that were held out; None if it is unknown."""
        quality = self.table.calibration.quality
        return None if quality is None else round(quality.error_percent, 2)


@dataclass(frozen=True)
class ExactCosts:
    """The exact costs of a space.

    Attributes:
        space: The joint space.
        stored: The latency table, for latency and energy; None if the job asks for neither.
    """

    space: JointSpace
    stored: StoredTable | None

    @property
    def device(self) -> str:
        """The device and machine of the table; "any" if all costs are analytic."""
        return "any" if self.stored is None else self.stored.table.location

    @property
    def error_percent(self) -> float | None:
        """Mean error in percent of the table's latencies on whole networks; None if unknown, or without a table."""
        return None if self.stored is None else self.stored.error_percent

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The inputs of a stage that uses these costs."""
        if self.stored is None:
            return {}
        return {"latency_table": self.stored.path, "latency_error_percent": self.error_percent}

    def additive(self, name: str) -> AdditiveCost:
        """A cost of all candidates of the space.

        Raises:
            ValueError: If there is no cost of that name, there is no table for it, or the table lacks an entry for it.
        """
        if not is_table_cost(name):
            return network_cost(self.space, name)
        if self.stored is None:
            raise ValueError(f"{name} is priced by a latency table, and none was read; name it as an objective")
        return tabulate_prices(self.space, self.stored.table, name)

    def find_limit(self, name: str, limit: float | str) -> float:
        """A limit of a cost as a number.

        Args:
            name: Name of the cost.
            limit: A number, or a share of the cost of the given network, whole and at full precision.

        Raises:
            ValueError: As `additive` describes, if the table does not price the given network, or `resolve_limit`
                refuses the share.
        """
        if not isinstance(limit, str):
            return limit
        whole = replace(self, space=JointSpace(self.space.architectures))
        genes = whole.space.encode([whole.space.largest()]).genes
        try:
            (given,) = whole.additive(name)(genes).tolist()
        except MissingCost as error:
            raise ValueError(
                f"search.limits.{name} is {limit}, which the latency table does not tell at full precision ({error}); "
                "add w32a32 to space.policies, or state a number"
            ) from error
        return resolve_limit(get_metric(name), limit, given)

    def objective(self, name: str, limit: float | None = None, constraint: bool = False) -> Objective:
        """The objective of a cost.

        Args:
            name: Name of the cost: of a latency table, or an analytic one.
            limit: Upper limit, in the unit of the cost.
            constraint: Whether the cost is only limited.

        Raises:
            ValueError: If there is no cost of that name, there is no table for it, or the table lacks an entry for it.
        """
        return Objective(
            get_metric(name), AdditiveEvaluator(self.additive(name)), limit, exact=True, constraint=constraint
        )

    def job_objectives(
        self, section: SearchSection, quality: Mapping[Metric, Evaluator], given: Mapping[str, float]
    ) -> tuple[Objective, ...]:
        """The objectives of a search, then the metrics that it only limits, as constraints.

        Args:
            section: The search section of the job.
            quality: Evaluators of the metrics that are not exact: they measure or predict.
            given: The values of the given network in those metrics of which limits are shares.

        Raises:
            ValueError: If a limit is a share of what it cannot be; see `find_limit` and `resolve_limit`.
        """
        by_name = {metric.name: metric for metric in quality}

        def objective(name: str) -> Objective:
            stated, constraint = section.limits.get(name), name not in section.objectives
            if name not in by_name:
                return self.objective(name, None if stated is None else self.find_limit(name, stated), constraint)
            metric = by_name[name]
            limit = None if stated is None else resolve_limit(metric, stated, given.get(name, nan))
            return Objective(metric, quality[metric], limit, constraint=constraint)

        return tuple(objective(name) for name in section.asked)
