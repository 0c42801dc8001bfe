"""How widths and blocks are chosen without damages.

Widths: the same share of all groups, or the least important channels of all. Blocks: those that are evenly spread.
"""

from __future__ import annotations

import numpy as np

from nas.compression.pruning.widths import Widths
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.rule import KeptElements

_STEPS = 1000  # shares that are tried of uniform widths


def keep_uniformly(widths: Widths, most_macs: float) -> KeptElements:
    """The largest same share of the channels of each group within a number of operations, shape (channels,).

    Args:
        widths: Says which channels of a group are kept; its choices are not used.
        most_macs: Upper bound of the multiply-accumulate operations for one input.

    Raises:
        ValueError: If one channel of each group is too many.
    """
    groups = widths.channels.groups
    shares = [part / _STEPS for part in range(1, _STEPS + 1)]
    return _largest(
        widths, most_macs, [widths.keep([max(round(group.size * share), 1) for group in groups]) for share in shares]
    )


def keep_most_important(widths: Widths, importance: FloatArray, most_macs: float) -> KeptElements:
    """The most important channels of all groups within a number of operations, shape (channels,).

    Of each group one channel is kept in any case.

    Args:
        widths: The channels; its choices and ranks are not used.
        importance: The importance of each channel, comparable over groups, shape (channels,).
        most_macs: Upper bound of the multiply-accumulate operations for one input.

    Raises:
        ValueError: If one channel of each group is too many.
    """
    channels = widths.channels
    first = np.concatenate(
        [group.first + np.argmax(importance[group.channels], keepdims=True) for group in channels.groups]
    )
    order = np.argsort(-importance, kind="stable")
    order = np.concatenate([first, order[~np.isin(order, first)]])
    ranks = np.empty(channels.count)
    ranks[order] = np.arange(channels.count)
    return _largest(widths, most_macs, [ranks < count for count in range(len(first), channels.count + 1)])


def keep_evenly(count: int, kept: int) -> tuple[int, ...]:
    """Which blocks a network keeps if they are spread evenly, the first and the last among them: a free baseline.

    Source: Liu et al., "Accelerating Inference in Large Language Models with a Unified Layer Skipping Strategy", 2024;
    the indices are `round(j (count - 1) / (kept - 1))`, which are as even as can be for any speed-up. One block that
    is kept is the first.

    Args:
        count: Number of blocks.
        kept: How many are kept, such as `count` over the speed-up, rounded down.

    Raises:
        ValueError: If more blocks are to be kept than there are, or fewer than none.
    """
    if not 0 <= kept <= count:
        raise ValueError(f"from 0 to {count} of {count} blocks can be kept, got {kept}")
    return tuple(round(number * (count - 1) / max(kept - 1, 1)) for number in range(kept))


def _largest(widths: Widths, most_macs: float, rising: list[KeptElements]) -> KeptElements:
    """The last of some rising choices within a number of operations, by bisection."""
    count = [0, len(rising)]
    while count[0] < count[1]:
        middle = sum(count) // 2
        fits = widths.channels.narrow(rising[middle]).macs <= most_macs
        count[0 if fits else 1] = middle + 1 if fits else middle
    if not count[0]:
        least = widths.channels.narrow(rising[0]).macs
        raise ValueError(f"the narrowest network takes {least:,} operations, more than {most_macs:,.0f}; allow more")
    return rising[count[0] - 1]
