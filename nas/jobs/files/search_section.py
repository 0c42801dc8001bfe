"""The search section of a job file: which searcher, objectives and limits, and when it ends.

In: text of a YAML file, as typed values. Out: a frozen `SearchSection`. Knows nothing of how a search is done.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from nas.jobs.files.section import Section
from nas.search.registry import SEARCHERS
from predictors.registry import PREDICTORS
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.registry import unknown_name_error

Count = Annotated[int, Field(ge=1)]
TABLE_COSTS = ("latency_ms", "energy_mj")  # what a latency table prices
OBJECTIVES = ("accuracy", *TABLE_COSTS, *ANALYTIC_COSTS)


class ScreeningSection(Section):
    """The cheap look before a full measurement: by a share of the images, at `ratio` candidates for each measured."""

    fidelity: Annotated[float, Field(gt=0, lt=1)] = 0.1
    ratio: Count = 8


class StopSection(Section):
    """When a search ends before its evaluations are spent: once it foresees that going on gains less than this."""

    gain: Annotated[float, Field(gt=0, lt=1)]

    @field_validator("gain", mode="before")
    @classmethod
    def _share(cls, gain: object) -> object:
        """A share such as 0.005; text such as `0.5 %` becomes one."""
        if not isinstance(gain, str):
            return gain
        number = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*%", gain.strip())
        if number is None:
            raise ValueError(f"must be a share such as '0.5 %' or 0.005, got {gain!r}")
        return float(number[1]) / 100


class SearchSection(Section):
    """The search: of candidates that are measured on the supernet, or on predictions, with a front that is verified.

    `verify` is how many of the front are kept. Of a search that measures, `in_flight` is how many candidates it asks
    for before the first is measured (left out: it asks in batches), and `warm_start` lets it start from what was
    measured of the same supernet before. `stop` ends a search that has little to gain.
    """

    searcher: Annotated[str, AfterValidator(SEARCHERS.check_name)] = "linas"
    accuracy: Literal["measured", "predicted"] = "measured"
    evaluations: Count = 200
    objectives: list[str] = ["accuracy", "latency_ms", "weight_bytes"]
    limits: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    verify: Annotated[int, Field(ge=3)] = 24
    in_flight: Count | None = None
    warm_start: bool = True
    screening: ScreeningSection | None = None
    stop: StopSection | None = None
    predictor: Annotated[str, AfterValidator(PREDICTORS.check_name)] = "ensemble"

    @property
    def asked(self) -> list[str]:
        """All metrics that a candidate is judged by: the objectives, then what is only limited."""
        return [*self.objectives, *(name for name in self.limits if name not in self.objectives)]

    @model_validator(mode="after")
    def _judges_by_known_metrics(self) -> SearchSection:
        for name in self.asked:
            if name not in OBJECTIVES:
                raise unknown_name_error("objective", name, OBJECTIVES)
        if self.accuracy == "measured" and "accuracy" not in self.asked:
            raise ValueError("nothing is to be measured; name accuracy in objectives or limits, or take predicted")
        SEARCHERS[self.searcher].check(self.searcher, len(self.objectives))
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise ValueError(f"objectives must be one or more distinct metrics, got {self.objectives}")
        return self

    @model_validator(mode="after")
    def _learns_if_it_can(self) -> SearchSection:
        learns = SEARCHERS[self.searcher].learns and self.accuracy == "measured"
        if "predictor" in self.model_fields_set and not learns:
            able = ", ".join(name for name, entry in SEARCHERS.items() if entry.learns)
            raise ValueError(
                f"predictor is for searchers that learn from measurements ({able}), got {self.searcher!r} on "
                f"{self.accuracy} accuracies; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _stops_if_it_foresees(self) -> SearchSection:
        if self.stop is not None and not SEARCHERS[self.searcher].foresees:
            able = ", ".join(name for name, entry in SEARCHERS.items() if entry.foresees)
            raise ValueError(
                f"searcher {self.searcher!r} does not foresee what going on gains; leave out stop, or use {able}"
            )
        return self

    @model_validator(mode="after")
    def _screens_if_it_can(self) -> SearchSection:
        screens = SEARCHERS[self.searcher].screens
        if screens and self.screening is None:
            raise ValueError(f"searcher {self.searcher!r} needs screening, such as {{fidelity: 0.1, ratio: 8}}")
        if self.screening is not None and not screens:
            able = ", ".join(name for name, entry in SEARCHERS.items() if entry.screens)
            raise ValueError(f"searcher {self.searcher!r} takes no screening; use {able}")
        if screens and (self.accuracy == "predicted" or self.in_flight is not None):
            raise ValueError("screening measures, and in batches; leave out accuracy and in_flight")
        return self
