"""The display of a running measurement of damage: a bar, or lines where the output is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nas.jobs.console.reporter import Reporter
from search_spaces.families.given_blocks import KEPT
from search_spaces.joint_space import JointSpace

_LINE_S = 30.0  # time between two lines, as in a training


@contextmanager
def follow_damage(reporter: Reporter, total: int) -> Iterator[Callable[[], None]]:
    """Gives a callback for every policy that was measured, while the block runs.

    Args:
        reporter: Shows how many were measured, and the time left.
        total: Number of policies that are to be measured.
    """
    done, said = 0, time.monotonic()
    with reporter.bar("measure damage", total) as bar:

        def advance() -> None:
            nonlocal done, said
            done += 1
            bar.advance(1)
            if not reporter.console.is_terminal and time.monotonic() - said >= _LINE_S:
                reporter.say(f"damage   {done} of {total} measured, {bar.left} left")
                said = time.monotonic()

        yield advance


def describe_entries(space: JointSpace, random: int) -> str:
    """How much of a given network is measured for a table of damage, in words.

    Args:
        space: Its space.
        random: Number of random candidates.
    """
    policies, further = space.slot_policies, space.architectures.genes
    widths = [len(one.values) - 1 for one in further if one.dimension != KEPT]
    found = f"{sum(map(len, policies))} policies of {len(policies)} layers, and {random} random ones of all"
    found += f", with {sum(widths)} widths of {len(widths)} groups of channels" if widths else ""
    return found + (f", without {blocks} blocks in turn" if (blocks := len(further) - len(widths)) else "")
