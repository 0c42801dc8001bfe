"""Training schedules as data: phases one after another, and where a step lies in them.

In: phases. Out: frozen `Schedule`s. Knows no network and no images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nas.training.few_shot.grouping import MAX_OPS
from nas.training.schedules.phase import Phase, Split
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class Moment:
    """Where a step lies.

    Attributes:
        phase: Number of its phase.
        step: Steps of the phase before it.
        steps: Steps of the whole phase.
    """

    phase: int
    step: int
    steps: int

    @property
    def position(self) -> float:
        """Share of the phase that is over, in [0, 1)."""
        return self.step / self.steps


@dataclass(frozen=True)
class Schedule:
    """Phases in the order in which they are trained."""

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        if not self.phases or len({phase.name for phase in self.phases}) != len(self.phases):
            names = [phase.name for phase in self.phases]
            raise ValueError(f"a schedule needs one or more phases of distinct names, got {names}")

    def domains(self, space: JointSpace) -> list[Subspace]:
        """What is open in each phase.

        Raises:
            ValueError: As `Phase.domain` does, or if a split may come to a leaf that has no gene left for it.
        """
        domains = [phase.domain(space) for phase in self.phases]
        earlier: list[set[int]] = []  # a leaf may have been split by any of these, each time by another
        for phase, domain in zip(self.phases, domains, strict=True):
            if phase.split is not None:
                genes = _splittable(phase.name, phase.split, domain)
                taken = sum(not genes.isdisjoint(others) for others in earlier)
                if len(genes) <= taken:
                    raise ValueError(
                        f"phase {phase.name!r}: a split by {', '.join(phase.split.dimensions)} needs a gene of these "
                        f"that the phase opens fully, of {phase.split.groups} or more values, that matters in all "
                        f"candidates; there are {len(genes)}, and earlier splits may have taken {taken} of them; it "
                        f"opens {dict(phase.open)}"
                    )
                earlier.append(genes)
        return domains

    def ends(self, steps_per_epoch: int) -> list[int]:
        """The step after the last one of each phase; every phase has at least one step."""
        ends: list[int] = []
        epochs = 0.0
        for phase in self.phases:
            epochs += phase.epochs
            ends.append(max(round(epochs * steps_per_epoch), (ends[-1] if ends else 0) + 1))
        return ends

    def moment(self, step: int, steps_per_epoch: int) -> Moment:
        """Where a step, counted from the start of the training, lies."""
        start = 0
        for number, end in enumerate(self.ends(steps_per_epoch)):
            if step < end:
                return Moment(number, step - start, end - start)
            start = end
        raise ValueError(f"the schedule ends at step {start}, got step {step}")

    def passes(self, steps_per_epoch: int, steps: float = math.inf) -> int:
        """Forward-backward passes, the measure of cost, of the first so many steps; a teacher's forward not counted."""
        total, start = 0, 0
        for phase, end in zip(self.phases, self.ends(steps_per_epoch), strict=True):
            done = max(min(end, steps) - start, 0)
            alone = min(phase.steps_alone(end - start), done)
            total += int(alone + (done - alone) * len(phase.subnets))
            start = end
        return total


def _splittable(phase: str, split: Split, domain: Subspace) -> set[int]:
    """The genes that a leaf can be split by, of those not split before."""
    genes = Subspace.whole(domain.space).find_splittable_genes(split.dimensions, split.groups, domain)
    for gene in genes:
        if len(domain.open[gene]) > MAX_OPS:
            raise ValueError(
                f"phase {phase!r}: a split compares at most {MAX_OPS} values of a gene, got "
                f"{len(domain.open[gene])} of {domain.space.genes[gene].name}; leave that dimension out of the split"
            )
    return set(genes)
