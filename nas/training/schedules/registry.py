"""The ready-made schedules by name, and their adaptation to the dimensions of a space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nas.training.schedules.phase import Phase
from nas.training.schedules.presets import deps, few_shot, multi_precision, ofa, sandwich, single, todm
from nas.training.schedules.schedule import Schedule
from search_spaces.joint_space import JointSpace
from search_spaces.registry import Registry
from search_spaces.subspace import Subspace

SCHEDULES: Registry[Callable[[float, float], Schedule]] = Registry(
    "schedule",
    {
        "ofa": ofa,
        "sandwich": sandwich,
        "deps": deps,
        "todm": todm,
        "single": single,
        "few_shot": few_shot,
        "multi_precision": multi_precision,
    },
)


def create_schedule(name: str, epochs: float, learning_rate: float, space: JointSpace) -> Schedule:
    """The ready-made schedule of a name, adapted to the dimensions of a space.

    Args:
        name: One of `SCHEDULES`.
        epochs: Passes over the training images, over all phases.
        learning_rate: Highest learning rate of the first phase.
        space: The space to be trained.

    Raises:
        ValueError: If the name is unknown, or the schedule trains policies and every layer has only one to choose from.
    """
    return fit_schedule_to(space, SCHEDULES[name](epochs, learning_rate))


def fit_schedule_to(space: JointSpace, schedule: Schedule) -> Schedule:
    """A ready-made schedule without the dimensions that a space lacks.

    A phase with a frozen teacher is left out if it opens no more than the first phase or the same as the next one; the
    other phases share its epochs.

    Args:
        space: The space to be trained.
        schedule: A schedule that opens dimensions, not single genes, such as those of `SCHEDULES`.

    Raises:
        ValueError: If the schedule trains policies and every layer has only one to choose from.
    """
    fixed = all(len(known) == 1 for known in space.slot_policies)
    if fixed and any("policy" in phase.open for phase in schedule.phases):
        known = ", ".join(str(policy) for policy in space.policies.all_policies)
        raise ValueError(
            f"a schedule that trains policies needs layers with two or more to choose from, got {known}; "
            "add some, such as w8a8"
        )
    phases = [_fit_phase_to(space, phase) for phase in schedule.phases]
    opened = [Subspace.opened(space, phase.open).open for phase in phases]
    # A phase of shrinking has nothing to do where it opens no more than the first one, the full network, or the very
    # same as the next.
    needed = [
        phase
        for number, phase in enumerate(phases)
        if phase.loss != "teacher" or opened[number] not in (opened[0], *opened[number + 1 : number + 2])
    ]
    stretch = sum(phase.epochs for phase in phases) / sum(phase.epochs for phase in needed)
    return Schedule(
        tuple(
            replace(phase, epochs=phase.epochs * stretch, warm_up_epochs=phase.warm_up_epochs * stretch)
            for phase in needed
        )
    )


def _fit_phase_to(space: JointSpace, phase: Phase) -> Phase:
    """A phase that opens, and splits by, only dimensions of the space; a gene of one value opens all it has."""
    counts: dict[str, int] = {}
    for gene in space.genes:
        counts[gene.dimension] = min(counts.get(gene.dimension, len(gene.values)), len(gene.values))
    opened = {
        name: "all" if values == "largest 2" and counts[name] < 2 else values
        for name, values in phase.open.items()
        if name in counts
    }
    split = phase.split and replace(phase.split, dimensions=tuple(d for d in phase.split.dimensions if d in counts))
    return replace(phase, open=opened, split=split)
