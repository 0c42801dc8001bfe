"""Training schedules as data: a row of phases, and the phase that a step belongs to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nas.training.few_shot.grouping import MOST_VALUES
from nas.training.schedules.phase import FewShotSplit, Phase
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class PhasePosition:
    """The position of a training step in its schedule.

    Attributes:
        phase: Index of the phase.
        step: Index of the step within the phase.
        steps: Number of steps of the phase.
    """

    phase: int
    step: int
    steps: int

    @property
    def progress(self) -> float:
        """Share of the phase that is over, in [0, 1)."""
        return self.step / self.steps


@dataclass(frozen=True)
class Schedule:
    """Phases in the order in which they are trained.

    Attributes:
        phases: One or more phases, of distinct names.

    Raises:
        ValueError: If there is no phase, or two have the same name.
    """

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        if not self.phases or len({phase.name for phase in self.phases}) != len(self.phases):
            names = [phase.name for phase in self.phases]
            raise ValueError(f"a schedule needs one or more phases of distinct names, got {names}")

    def open_subspaces(self, space: JointSpace) -> list[Subspace]:
        """The part of a space from which each phase draws its subnets.

        Raises:
            ValueError: If a phase does not suit the space, as `Phase.open_subspace` describes; if a gene to split by
                has too many values; or if earlier splits may have used up the genes that a split can divide leaves by.
        """
        subspaces = [phase.open_subspace(space) for phase in self.phases]
        # A gene divides a leaf once. Which of several genes an earlier split took is known only when it was trained,
        # and differs from leaf to leaf; so every earlier split that could have taken one of these genes counts as one.
        earlier: list[set[int]] = []
        for phase, subspace in zip(self.phases, subspaces, strict=True):
            if phase.split is not None:
                genes = _find_splittable_genes(phase.name, phase.split, subspace)
                taken = sum(not genes.isdisjoint(others) for others in earlier)
                if not len(genes) > taken:
                    raise ValueError(
                        f"phase {phase.name!r}: a split by {', '.join(phase.split.dimensions)} needs a gene of these "
                        f"that the phase opens fully, of {phase.split.groups} or more values, that is active in all "
                        f"candidates; there are {len(genes)}, and earlier splits may have taken {taken} of them; it "
                        f"opens {dict(phase.open)}"
                    )
                earlier.append(genes)
        return subspaces

    def end_steps(self, steps_per_epoch: int) -> list[int]:
        """The step after the last one of each phase; every phase has at least one step.

        Epochs are added up before they are rounded, so that fractions of epochs do not add up to more steps.
        """
        ends: list[int] = []
        epochs = 0.0
        for phase in self.phases:
            epochs += phase.epochs
            ends.append(max(round(epochs * steps_per_epoch), (ends[-1] if ends else 0) + 1))
        return ends

    def locate(self, step: int, steps_per_epoch: int) -> PhasePosition:
        """The position of a step in the schedule.

        Args:
            step: Index of the step in the whole training.
            steps_per_epoch: Number of whole batches in the training images.

        Raises:
            ValueError: If the schedule has no more than `step` steps.
        """
        start = 0
        for number, end in enumerate(self.end_steps(steps_per_epoch)):
            if step < end:
                return PhasePosition(number, step - start, end - start)
            start = end
        raise ValueError(f"the schedule ends at step {start}, got step {step}")

    def count_passes(self, steps_per_epoch: int, steps: float = math.inf) -> int:
        """Forward-backward passes, the measure of cost; the forward passes of a teacher are not counted.

        Args:
            steps_per_epoch: Number of whole batches in the training images.
            steps: Passes are counted in the first `steps` steps; by default in all.
        """
        total, start = 0, 0
        for phase, end in zip(self.phases, self.end_steps(steps_per_epoch), strict=True):
            done = max(min(end, steps) - start, 0)
            alone = min(phase.count_delayed_steps(end - start), done)  # steps of the first subnet alone
            total += int(alone + (done - alone) * len(phase.subnets))
            start = end
        return total


def _find_splittable_genes(phase: str, split: FewShotSplit, subspace: Subspace) -> set[int]:
    """Indices of the genes that an unsplit supernet can be split by in a phase.

    Raises:
        ValueError: If one has more values than a split can compare.
    """
    genes = Subspace.whole(subspace.space).find_splittable_genes(split.dimensions, split.groups, subspace)
    for gene in genes:
        if not len(subspace.open[gene]) <= MOST_VALUES:
            raise ValueError(
                f"phase {phase!r}: a split compares at most {MOST_VALUES} values of a gene, got "
                f"{len(subspace.open[gene])} of {subspace.space.genes[gene].name}; leave that dimension out of the "
                "split"
            )
    return set(genes)
