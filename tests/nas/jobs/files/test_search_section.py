"""What a search is asked for, by name; options of searchers are those that the searcher has."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from nas.jobs.files.search_section import SearchSection
from nas.search.searchers.multi_fidelity import MultiFidelity
from nas.search.searchers.nsga2 import NSGA2


def section(**keys: Any) -> SearchSection:
    return SearchSection.model_validate(keys)


def test_metrics_are_sorted_by_how_they_become_known() -> None:
    asked = section(objectives=["macs", "accuracy"], limits={"latency_ms": 5.0, "accuracy": 60.0})
    assert asked.asked == ["macs", "accuracy", "latency_ms"]
    assert asked.measured == ["accuracy"]
    assert asked.table_costs == ["latency_ms"]
    assert section(objectives=["accuracy", "macs"]).table_costs == []


def test_options_are_fields_of_the_search_method() -> None:
    assert section(searcher="nsga2", options={"population_size": 8}).method() == NSGA2(8)
    found = section(searcher="multi_fidelity", options={"fidelity": 0.25, "ratio": 3}).method()
    assert found == MultiFidelity(fidelity=0.25, ratio=3)


def test_equal_searches_are_described_alike() -> None:
    spelled = section(options={"predictor": "ensemble"}, limits={"macs": 1e6, "accuracy": 60.0})
    plain = section(limits={"accuracy": 60.0, "macs": 1e6})
    assert spelled.describe() == plain.describe()
    assert section(options={"predictor": "ridge"}).describe() != section().describe()


@pytest.mark.parametrize(("gain", "share"), [("0.5 %", 0.005), (0.01, 0.01)])
def test_a_gain_is_a_share(gain: object, share: float) -> None:
    assert section(stop={"gain": gain}).stop_gain == share
    assert section().stop_gain is None
    assert section(most_failures=gain).most_failures == share


def test_how_many_may_fail_does_not_make_it_another_search() -> None:
    """Nor does a time limit that is left out: a run of before there was one goes on."""
    assert section(most_failures=0.5).describe() == section().describe()
    assert not {"most_failures", "timeout_s"} & section().describe().keys()
    assert section(timeout_s=60).describe()["timeout_s"] == 60.0


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"objectives": []}, "one or more distinct metrics"),
        ({"objectives": ["accuracy", "accuracy"]}, "distinct metrics"),
        ({"searcher": "evolution"}, "'evolution' takes 1 objective only, got 3; use one of linas"),
        ({"searcher": "nsga2", "options": {"population_size": 8.5}}, "population_size"),
        ({"verify": 2}, "greater than or equal to 3"),
        ({"most_failures": 1.5}, "less than or equal to 1"),
        ({"most_failures": float("nan")}, "most_failures"),
        ({"most_failures": "ten"}, "must be a share such as '0.5 %' or 0.005, got 'ten'"),
        ({"timeout_s": 0}, "greater than 0"),
        ({"timeout_s": float("inf")}, "finite"),
    ],
)
def test_what_does_not_go_together_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        section(**keys)
