"""The subnets of one step: the largest, the smallest and random ones, all at one resolution."""

from __future__ import annotations

import numpy as np

from nas.training.schedules.phase import Phase
from search_spaces.candidate import Candidate
from search_spaces.subspace import Subspace


def fix_resolution(subspace: Subspace, rng: np.random.Generator) -> Subspace:
    """A subspace restricted to one of its resolutions, drawn uniformly; unchanged if its space has no resolutions.

    Args:
        subspace: The part of a space whose resolutions are drawn from.
        rng: Draws the resolution.
    """
    for number, gene in enumerate(subspace.space.genes):
        if gene.dimension == "resolution":
            return subspace.restrict(number, (int(rng.choice(subspace.open[number])),))
    return subspace


def draw_subnets(subspace: Subspace, phase: Phase, rng: np.random.Generator) -> list[Candidate]:
    """The subnets of one step, in the order of the phase, all at one resolution.

    Args:
        subspace: The part of the space that the subnets are drawn from.
        phase: The phase, whose `subnets` name the largest, the smallest and random ones.
        rng: Draws the resolution and the random subnets.
    """
    fixed = fix_resolution(subspace, rng)
    sampled = fixed.sample(rng, phase.subnets.count("random"))
    random = iter(range(len(sampled)))
    corners = {"largest": fixed.largest, "smallest": fixed.smallest}
    return [corners[role]() if role in corners else sampled[next(random)] for role in phase.subnets]
