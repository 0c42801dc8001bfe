"""Limits are numbers, or shares of the value of the given network, which are numbers once that is known."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from nas.jobs.files.limit import resolve_limit
from nas.jobs.files.search_section import SearchSection
from results.metric import get_metric


def test_a_share_is_one_text_however_it_is_spelled() -> None:
    found = [SearchSection(limits={"accuracy": text}) for text in ("99.90%  of given", " 99.9 % of given", 99.9)]
    assert [one.limits["accuracy"] for one in found] == ["99.9 % of given", "99.9 % of given", 99.9]
    assert found[0].describe() == found[1].describe() != found[2].describe()


@pytest.mark.parametrize(
    "text", ["0.00001 % of given", "1E-5 % of given", "1e6 % of given", "0.30000000000000004 % of given"]
)
def test_a_share_that_was_written_is_read_again(text: str) -> None:
    (once,) = SearchSection(limits={"accuracy": text}).limits.values()
    assert SearchSection(limits={"accuracy": once}).limits == {"accuracy": once}


@pytest.mark.parametrize(
    "text", ["99.9 %", "0 % of given", "-1 % of given", "half of given", "nan % of given", "1e999 % of given"]
)
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"must be a number, or a share above 0 such as '99.9 % of given', got"):
        SearchSection(limits={"accuracy": text})


def test_a_share_follows_the_value_in_either_direction() -> None:
    assert resolve_limit(get_metric("accuracy"), "99.9 % of given", 98.0) == pytest.approx(97.902)
    assert resolve_limit(get_metric("mean_absolute_error"), "101 % of given", 2.0) == pytest.approx(2.02)
    assert resolve_limit(get_metric("accuracy"), "100 % of given", 97.3) == 97.3
    assert resolve_limit(get_metric("accuracy"), 50.0, math.nan) == 50.0


@pytest.mark.parametrize(
    ("name", "limit", "given", "words"),
    [
        (
            "accuracy",
            "101 % of given",
            99.5,
            r"must lie in \[0, 100\], in %, got 101 % of given, 100.495",
        ),
        ("output_divergence", "101 % of given", 0.0, "a share is of a value above 0; .* as given is 0; state a number"),
        ("r2", "99 % of given", -0.5, "as given is -0.5; state a number"),
        ("r2", "99 % of given", math.nan, "as given is nan; state a number"),
    ],
)
def test_a_share_that_is_no_limit_is_refused(name: str, limit: str, given: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        resolve_limit(get_metric(name), limit, given)
