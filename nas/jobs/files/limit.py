"""Limits of a search: numbers, or shares of the value that the given network has as it was given."""

from __future__ import annotations

import re
from math import inf
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from nas.jobs.files.bounds import Finite
from results.metric import Metric
from search_spaces.quoting import quote

_SHARE = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*%\s+of\s+given")
_MOST_PERCENT = 1e6  # beyond, nothing that is stated as a share of a network limits what is made of it


def _check_share(text: str) -> str:
    """The share as it is written everywhere, such as `99.9 % of given`."""
    number = _SHARE.fullmatch(text.strip())
    if number is None or not 0 < float(number[1]) <= _MOST_PERCENT:
        raise ValueError(f"must be a number, or a share above 0 such as '99.9 % of given', got {quote(text)}")
    return f"{float(number[1]):.15g} % of given"


Limit: TypeAlias = Finite | Annotated[str, AfterValidator(_check_share)]  # a text is a share of the given network


def check_limit(metric: Metric, limit: float, said: str) -> None:
    """Refuses a limit beyond what values of its metric can be.

    Args:
        metric: The metric.
        limit: The limit, in the unit of the metric.
        said: What the job says, for the message.

    Raises:
        ValueError: If it is.
    """
    least, most = metric.bounds
    if not least <= limit <= most:
        raise ValueError(f"search.limits.{metric.name} must lie in [{least:g}, {most:g}], in {metric.unit}, got {said}")


def resolve_limit(metric: Metric, limit: float | str, given: float) -> float:
    """The limit as a number.

    Args:
        metric: The metric.
        limit: A number, or a share of the value of the network as it was given.
        given: That value, in the unit of the metric; it does not matter to a number.

    Returns:
        The limit, in the unit of the metric.

    Raises:
        ValueError: If it is a share of a value that is not above 0, or beyond what values of the metric can be.
    """
    if not isinstance(limit, str):
        return limit
    if not 0 < given < inf:
        raise ValueError(
            f"search.limits.{metric.name} is {limit}, and a share is of a value above 0; {metric.name} of the network "
            f"as given is {given:g}; state a number"
        )
    found = float(limit.partition(" ")[0]) / 100 * given
    check_limit(metric, found, f"{limit}, {found:g}")
    return found
