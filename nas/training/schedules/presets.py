"""Ready-made schedules, each a function of literal numbers.

In: a length in epochs and a peak learning rate. Out: a `Schedule` for any space. Knows no family: `fitted` leaves out
what a space lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from nas.training.schedules.phase import Phase, Split, Subnet
from nas.training.schedules.schedule import Schedule
from search_spaces.joint_space import JointSpace
from search_spaces.registry import Registry
from search_spaces.subspace import Subspace
from search_spaces.value_selector import ValueSelector

_WIDTHS = ("expand", "ratio", "width")  # what the families call it
_EVERYTHING: Mapping[str, ValueSelector] = dict.fromkeys(("resolution", "kernel", "depth", *_WIDTHS), "all")
_SANDWICH: tuple[Subnet, ...] = ("largest", "smallest", "random", "random")


def ofa(epochs: float, learning_rate: float) -> Schedule:
    """Progressive shrinking (Cai et al., ICLR 2020).

    Shares of the epochs and ratios of the learning rates are those of the public release: 180 epochs of the full
    network, 120 of kernels, 25 and 120 each of depths and widths, every phase with 5 more for its warm-up. Its
    dropout is left out.
    """
    share = epochs / 620
    kernels: dict[str, ValueSelector] = {"resolution": "all", "kernel": "all"}
    some_depths, depths = kernels | {"depth": "largest 2"}, kernels | {"depth": "all"}
    some_widths = depths | dict.fromkeys(_WIDTHS, "largest 2")
    full = Phase("full", 185 * share, learning_rate, {"resolution": "all"}, warm_up_epochs=5 * share)
    shrinking = replace(full, loss="teacher")
    two: tuple[Subnet, ...] = ("random",) * 2
    narrowing = replace(shrinking, subnets=two + two, sort_channels=True)
    small, middle, large = 0.03 * learning_rate, 0.09 * learning_rate, 0.37 * learning_rate
    return Schedule(
        (
            full,
            replace(
                shrinking, name="kernel", epochs=125 * share, learning_rate=large, open=kernels, subnets=("random",)
            ),
            replace(shrinking, name="depth-1", epochs=30 * share, learning_rate=small, open=some_depths, subnets=two),
            replace(shrinking, name="depth-2", epochs=125 * share, learning_rate=middle, open=depths, subnets=two),
            replace(narrowing, name="width-1", epochs=30 * share, learning_rate=small, open=some_widths),
            replace(narrowing, name="width-2", epochs=125 * share, learning_rate=middle, open=_EVERYTHING),
        )
    )


def sandwich(epochs: float, learning_rate: float) -> Schedule:
    """The sandwich rule with in-place distillation, from the first step on (Yu et al., ECCV 2020)."""
    warm_up = min(1.0, epochs / 20)
    return Schedule((Phase("all", epochs, learning_rate, _EVERYTHING, _SANDWICH, "in_place", warm_up_epochs=warm_up),))


def deps(epochs: float, learning_rate: float, delay: float = 0.5, ramp: float = 0.2) -> Schedule:
    """Delayed epsilon-shrinking (Annavajjala et al., ECCV 2024).

    The largest network alone for the first half; then the sandwich rule, in which the others' part of the loss rises
    from a hundredth, over a fifth of what remains.
    """
    (phase,) = sandwich(epochs, learning_rate).phases
    return Schedule((replace(phase, delay=delay, ramp=ramp, sort_channels=delay > 0),))


def todm(epochs: float, learning_rate: float) -> Schedule:
    """Adaptive dropout and alpha-divergence on the sandwich rule (Shangguan et al., "TODM", ICASSP 2024)."""
    (phase,) = sandwich(epochs, learning_rate).phases
    return Schedule((replace(phase, divergence="alpha", dropout=0.1),))


def single(epochs: float, learning_rate: float) -> Schedule:
    """One uniformly drawn subnet per step, taught by labels: the baseline."""
    (phase,) = sandwich(epochs, learning_rate).phases
    return Schedule((replace(phase, subnets=("random",), loss="labels"),))


def few_shot(epochs: float, learning_rate: float, batches: int = 8) -> Schedule:
    """Delayed shrinking for three fifths, then four leaves by two splits, each trained further."""
    (whole,) = deps(0.6 * epochs, learning_rate).phases
    split = Split(("kernel", "depth", *_WIDTHS), batches=batches)
    leaves = replace(
        whole,
        epochs=0.2 * epochs,
        learning_rate=0.3 * learning_rate,
        delay=0.0,
        ramp=0.0,
        sort_channels=False,
        split=split,
    )
    return Schedule((whole, replace(leaves, name="2 leaves"), replace(leaves, name="4 leaves")))


def multi_precision(epochs: float, learning_rate: float) -> Schedule:
    """Delayed shrinking in floating point for seven tenths, then all policies at once.

    Weights are then rounded twice from one stored model of 8 bits, and sensitive layers are drawn with more bits.
    """
    (whole,) = deps(0.7 * epochs, learning_rate).phases
    bits = replace(
        whole,
        name="bits",
        epochs=0.3 * epochs,
        learning_rate=0.2 * learning_rate,
        open={**_EVERYTHING, "policy": "all"},
        delay=0.0,
        ramp=0.0,
        warm_up_epochs=0.02 * epochs,
        sort_channels=False,
        bit_sampling="hessian",
    )
    return Schedule((whole, bits))


PRESETS: Registry[Callable[[float, float], Schedule]] = Registry(
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


def preset(name: str, epochs: float, learning_rate: float, space: JointSpace) -> Schedule:
    """The ready-made schedule of that name, fitted to what is elastic in a space.

    Args:
        name: One of `PRESETS`.
        epochs: Passes over the training images.
        learning_rate: Peak of the first phase.
        space: What is trained.

    Raises:
        ValueError: If the name is unknown; the known ones are listed. Or if it trains policies and the space has one.
    """
    return fitted(PRESETS[name](epochs, learning_rate), space)


def fitted(schedule: Schedule, space: JointSpace) -> Schedule:
    """A schedule of this module without the dimensions that a space lacks, and with no more of each than it has.

    A phase of shrinking that then opens nothing is left out, and the others share its epochs.

    Raises:
        ValueError: If the schedule trains policies and the space has only one.
    """
    fixed = all(len(known) == 1 for known in space.slot_policies)
    if fixed and any("policy" in phase.open for phase in schedule.phases):
        known = ", ".join(str(policy) for policy in space.policies.all_policies)
        raise ValueError(
            f"a schedule that trains policies needs layers with two or more to choose from, got {known}; "
            "add some, such as w8a8"
        )
    phases = [_fitted(phase, space) for phase in schedule.phases]
    opened = [Subspace.opened(space, phase.open).open for phase in phases]
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


def _fitted(phase: Phase, space: JointSpace) -> Phase:
    counts: dict[str, int] = {}
    for gene in space.genes:
        counts[gene.dimension] = min(counts.get(gene.dimension, len(gene.values)), len(gene.values))
    opened = {
        name: "all" if domain == "largest 2" and counts[name] < 2 else domain
        for name, domain in phase.open.items()
        if name in counts
    }
    split = phase.split and replace(phase.split, dimensions=tuple(d for d in phase.split.dimensions if d in counts))
    return replace(phase, open=opened, split=split)
