"""The search section of a job file: which searcher, objectives and limits, and when it ends."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from nas.jobs.files.bounds import (
    MOST_IN_FLIGHT,
    MOST_LISTED,
    MOST_MEASURED,
    MOST_MEASUREMENT_S,
    MOST_OBJECTIVES,
    Evaluations,
    Scalar,
    Share,
)
from nas.jobs.files.limit import Limit
from nas.jobs.files.section import Section
from nas.search.protocol.search_method import SearchMethod
from nas.search.registry import SEARCHERS, check_objectives, read_options
from nas.search.runner.failures import MOST_FAILURES
from nas.search.runner.search_plan import Dispatch
from nas.tasks.metrics.corruption import CORRUPTIONS, SEVERITIES, Corruption
from nas.tasks.metrics.registry import MEASURED_METRICS
from results.metric import METRICS
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.quoting import quote


def _read_share(share: object) -> object:
    """A share such as 0.005; text such as `0.5 %` becomes one."""
    if not isinstance(share, str):
        return share
    number = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*%", share.strip())
    if number is None:
        raise ValueError(f"must be a share such as '0.5 %' or 0.005, got {quote(share)}")
    return float(number[1]) / 100


_ReadShare = BeforeValidator(_read_share)


class StopSection(Section):
    """When a search ends early: once the forecast gain of more evaluations is below `gain`, a share of the hypervolume.

    It must be below even at the upper end of its interval.
    """

    gain: Annotated[float, Field(gt=0, lt=1), _ReadShare]


class CorruptionSection(Section):
    """What is done to images to measure robustness; see `nas.tasks.metrics.corruption`."""

    name: Annotated[str, AfterValidator(CORRUPTIONS.check_name)]
    severity: Annotated[int, Field(ge=1, le=SEVERITIES)] = 3

    def corruption(self) -> Corruption:
        """The corruption as the engine has it."""
        return Corruption(self.name, self.severity)


def is_table_cost(name: str) -> bool:
    """Whether a metric is priced by a latency table: it is known, and neither measured on images nor analytic."""
    return name in list(METRICS) and name not in MEASURED_METRICS and name not in ANALYTIC_COSTS


class SearchSection(Section):
    """The search: the searcher, the objectives and limits, and when it ends.

    A limit is a number, or a share of the value of the given network, such as `99.9 % of given`. `options` are those of
    the searcher, the fields of its `nas.search.protocol.search_method.SearchMethod`. `quality` says whether the search
    measures the measured metrics of its candidates, or predicts them and measures those of its front afterwards.
    `verify` is the largest number of candidates of the front that are kept. If the search measures, `in_flight` is the
    number of candidates that are asked for and not told yet (left out: it asks in batches), and with `warm_start` it
    starts from the measurements of earlier searches of the same supernet. `stop` ends a search early. `most_failures`
    is the share of the evaluations that may fail, one at least; a measurement that takes longer than `timeout_s` has
    failed. Both hold wherever the job measures candidates. `corruption` is what is done to images for metrics of
    robustness.
    """

    searcher: Annotated[str, AfterValidator(SEARCHERS.check_name)] = "linas"
    options: Annotated[dict[str, bool | Scalar], Field(max_length=MOST_LISTED)] = {}
    quality: Literal["measured", "predicted"] = "measured"
    evaluations: Evaluations = 200
    objectives: Annotated[list[str], Field(max_length=MOST_OBJECTIVES)] = ["accuracy", "latency_ms", "weight_bytes"]
    limits: Annotated[dict[str, Limit], Field(max_length=MOST_OBJECTIVES)] = {}
    verify: Annotated[int, Field(ge=3, le=MOST_MEASURED)] = 24
    in_flight: Annotated[int, Field(ge=1, le=MOST_IN_FLIGHT)] | None = None
    warm_start: bool = True
    stop: StopSection | None = None
    most_failures: Annotated[Share, _ReadShare] = MOST_FAILURES
    timeout_s: Annotated[float, Field(gt=0, le=MOST_MEASUREMENT_S, allow_inf_nan=False)] | None = None
    corruption: CorruptionSection | None = None

    @field_validator("options", mode="before")
    @classmethod
    def _are_plain(cls, options: object) -> object:
        for name, value in options.items() if isinstance(options, dict) else ():
            if not isinstance(value, bool | int | float | str):
                raise ValueError(f"{quote(name)} must be a number, a text, true or false, got {quote(value)}")
        return options

    @property
    def asked(self) -> list[str]:
        """All metrics of the search: the objectives, then those that are only limited."""
        return [*self.objectives, *(name for name in self.limits if name not in self.objectives)]

    @property
    def measured(self) -> list[str]:
        """Those metrics of the search that are measured on samples: all that are neither computed nor looked up."""
        return [name for name in self.asked if name not in ANALYTIC_COSTS and not is_table_cost(name)]

    @property
    def has_floor(self) -> bool:
        """Whether the least of one cost is asked for, and what is measured is only limited."""
        return len(self.objectives) == 1 and self.objectives[0] not in self.measured

    @property
    def table_costs(self) -> list[str]:
        """Those metrics of the search that come from a latency table."""
        return [name for name in self.asked if is_table_cost(name)]

    @property
    def stop_gain(self) -> float | None:
        """The gain below which the search ends; None spends all evaluations."""
        return None if self.stop is None else self.stop.gain

    def describe(self) -> dict[str, Any]:
        """What decides the outcome of the search, for fingerprints: options that are left out count as they are."""
        absent = {name for name in ("timeout_s", "corruption") if getattr(self, name) is None}
        options = {name: value for name, value in asdict(self.method()).items() if value is not None}
        return self.model_dump(exclude={"verify", "options", "most_failures"} | absent) | {"options": options}

    def method(self) -> SearchMethod:
        """The searcher with its options; loads its library."""
        return read_options(self.searcher, self.options)

    def dispatch(self) -> Dispatch:
        """How many candidates are asked for and evaluated at a time."""
        return Dispatch(in_flight=self.in_flight)

    @model_validator(mode="after")
    def _trades_something(self) -> SearchSection:
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise ValueError(f"objectives must be one or more distinct metrics, got {self.objectives}")
        return self

    @model_validator(mode="after")
    def _suits_its_searcher(self) -> SearchSection:
        check_objectives(self.searcher, len(self.objectives))
        method = self.method()
        method.check_metrics(self.measured, [name for name in self.asked if name not in self.measured])
        if method.damage_metric is not None and len(self.measured) == len(self.asked):
            raise ValueError(
                f"option sensitivity of searcher {self.searcher!r} trades damage for what is tabulated, such as "
                f"weight_bytes; objectives need one such, got {', '.join(self.asked)}"
            )
        if self.stop is not None and not method.has_outlook:
            able = ", ".join(name for name in SEARCHERS if SEARCHERS[name].has_outlook)
            raise ValueError(
                f"searcher {self.searcher!r} does not forecast the gain of going on; leave out stop, or use {able}"
            )
        given = [name for name in ("in_flight", "warm_start") if name in self.model_fields_set]
        if self.quality == "predicted" and given:
            raise ValueError(
                f"{' and '.join(given)} is for a search that measures; leave it out, or take quality: measured"
            )
        if method.uses_low_fidelity and self.quality == "predicted":
            raise ValueError(
                f"searcher {self.searcher!r} asks for evaluations at a lower fidelity, which predictions do not have; "
                "take quality: measured, or another searcher"
            )
        return self
