from __future__ import annotations

import json
import math

import numpy as np
import pytest

from results.metric import METRICS, Metric, describe_metrics, extend_metrics, get_metric, read_metrics


def test_only_maximised_metrics_change_sign() -> None:
    assert get_metric("accuracy").costs(np.array([90.0, 95.0])).tolist() == [-90.0, -95.0]
    for name, entry in METRICS.items():
        assert (entry.costs(1.0) == -1.0) == name.endswith(
            ("accuracy", "_f1", "_precision", "r2", "_agreement", "_variance")
        )


def test_values_are_bounded_by_their_unit_or_by_what_they_are() -> None:
    assert [get_metric(name).bounds for name in ("accuracy", "latency_ms")] == [(0, 100), (0, math.inf)]
    assert [get_metric(name).bounds for name in ("mean_absolute_error", "r2")] == [(0, math.inf), (-math.inf, 1)]
    assert Metric("share", "%", least=20.0).bounds == (20.0, 100.0)


def test_expected_and_tested_ones_are_derived_from_every_metric() -> None:
    for entry in METRICS.values():
        assert METRICS[f"expected_{entry.name}"] == get_metric(f"expected_{entry.name}") == entry.expected
        assert METRICS[f"test_{entry.name}"] == entry.tested
        assert entry.tested.costs(1.0) == entry.costs(1.0)
        assert f"test_{entry.name}" in METRICS
        assert f"test_{entry.name}" not in list(METRICS)
    for unknown in ("expected_speed", "test_", "test_expected_accuracy"):
        assert unknown not in METRICS
        with pytest.raises(ValueError, match=f"unknown metric '{unknown}'; known metrics: accuracy, "):
            get_metric(unknown)


def test_metrics_of_a_run_are_known_from_its_record() -> None:
    own = [Metric("ink", "g"), Metric("hits", "%", maximize=True, format="{:.1f}"), Metric("low", "", least=-2.5)]
    described = describe_metrics(own)
    assert described["ink"] == {"unit": "g"}
    assert read_metrics(json.loads(json.dumps(described))) == own
    known = extend_metrics(own)
    assert known["expected_ink"] == own[0].expected
    assert "ink" in known
    assert "ink" not in METRICS
    assert extend_metrics([Metric("accuracy", "g")])["accuracy"] == METRICS["accuracy"]  # what is known here stays


@pytest.mark.parametrize(
    "damaged",
    [
        [],
        "ink",
        {"ink": None},
        {"ink": {"unit": 3}},
        {"ink": {"format": "{"}},
        {"ink": {"maximize": "no"}},
        {"ink": {"least": True}},
        {"ink": {"least": 2, "most": 1}},
        {"ink": {"most": math.nan}},
        {"": {}},
        {"i" * 201: {}},
        {"ink": {"unit": "g" * 41}},
        {"ink": {"unit": "\x1b[2J"}},
        *({"ink": {"format": text}} for text in ("{0.x}", "{:>80000000000}", "{:.999f}", "{!r}", "{:d}", "{:.2f} g")),
    ],
)
def test_what_describes_no_metric_is_said(damaged: object) -> None:
    with pytest.raises(ValueError, match=r"metrics? ") as raised:
        read_metrics(damaged)
    assert str(raised.value).isprintable()


def test_people_see_values_in_the_format_of_their_metric() -> None:
    assert get_metric("accuracy").render(90.126) == "90.13"
    assert get_metric("weight_bytes").render(1234567.0) == "1,234,567"
    for wrong in ("{:.2f", "x", "{a}", "{} {}"):
        with pytest.raises(ValueError, match="format of metric 'speed' must have one field like"):
            Metric("speed", "m/s", format=wrong)


@pytest.mark.parametrize("name", ["", "key", "run", "device", "sequence", "mean_weight_bits"])
def test_no_metric_has_the_name_of_a_column_of_results(name: str) -> None:
    with pytest.raises(ValueError, match="a metric needs a name that no column of results has"):
        Metric(name, "ms")


def test_values_of_physical_units_have_bounds() -> None:
    assert get_metric("expected_accuracy").bounds == (0.0, 100.0)
    for name in ("latency_ms", "energy_mj", "weight_bytes", "macs"):
        assert get_metric(name).bounds == (0.0, float("inf"))
    assert Metric("likelihood", "nats").bounds == (-float("inf"), float("inf"))
