from __future__ import annotations

import math

import pytest

from hardware.tables.entry import LATENCY, Entry


def test_only_latencies_change_within_a_network() -> None:
    entry = Entry({LATENCY: 2.0, "energy_mj": 3.0}, factor=1.5)
    assert entry.within_network(LATENCY) == 3.0
    assert entry.within_network("energy_mj") == 3.0


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_costs_and_factors_are_positive_and_finite(value: float) -> None:
    with pytest.raises(ValueError, match="costs must be positive and finite"):
        Entry({LATENCY: value})
    with pytest.raises(ValueError, match="a factor must be positive and finite"):
        Entry({LATENCY: 1.0}, factor=value)
    with pytest.raises(ValueError, match=r"costs must be positive and finite, got \{\}"):
        Entry({})
    if value != 0:
        with pytest.raises(ValueError, match="spread and repeats must be 0 or more"):
            Entry({LATENCY: 1.0}, spread=value)
