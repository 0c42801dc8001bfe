"""Ready-made schedules, as functions of their length in epochs and of their highest learning rate.

They open the dimensions of all families of networks; `fit_schedule_to` leaves out those that a space lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nas.training.schedules.phase import FewShotSplit, Phase, Subnet
from nas.training.schedules.schedule import Schedule
from search_spaces.value_selector import ValueSelector

_WIDTHS = ("expand", "ratio", "width")  # what the families call the dimension of channels
_EVERYTHING: Mapping[str, ValueSelector] = dict.fromkeys(("resolution", "kernel", "depth", *_WIDTHS), "all")
_SANDWICH: tuple[Subnet, ...] = ("largest", "smallest", "random", "random")


def ofa(epochs: float, learning_rate: float) -> Schedule:
    """Progressive shrinking (Cai et al., ICLR 2020).

    Shares of the epochs and ratios of the learning rates are those of the public release: 180 epochs of the full
    network, 120 of kernels, 25 and 120 each of depths and widths, every phase with 5 more for its warm-up. Its
    dropout is left out.

    Args:
        epochs: Passes over the training images, over all phases.
        learning_rate: Highest learning rate of the full network; the later phases take a share of it.
    """
    share = epochs / 620  # 185 + 125 + 2 * (30 + 125) epochs, each phase with its warm-up
    kernels: dict[str, ValueSelector] = {"resolution": "all", "kernel": "all"}
    some_depths, depths = kernels | {"depth": "largest 2"}, kernels | {"depth": "all"}
    some_widths = depths | dict.fromkeys(_WIDTHS, "largest 2")
    full = Phase("full", 185 * share, learning_rate, {"resolution": "all"}, warm_up_epochs=5 * share)
    shrinking = replace(full, loss="teacher")
    two: tuple[Subnet, ...] = ("random",) * 2
    narrowing = replace(shrinking, subnets=two + two, sort_channels=True)
    # of a highest rate of 2.6 for the full network: 0.08 and 0.24 for first and second phases, 0.96 for kernels
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
    """The sandwich rule with in-place distillation, from the first step on (Yu et al., ECCV 2020).

    Args:
        epochs: Passes over the training images, over all phases.
        learning_rate: The highest.
    """
    warm_up = min(1.0, epochs / 20)
    return Schedule((Phase("all", epochs, learning_rate, _EVERYTHING, _SANDWICH, "in_place", warm_up_epochs=warm_up),))


def deps(epochs: float, learning_rate: float, delay: float = 0.5, ramp: float = 0.2) -> Schedule:
    """Delayed epsilon-shrinking (Annavajjala et al., ECCV 2024).

    At first the largest network is trained alone. Then the sandwich rule sets in, and the loss of the other subnets
    rises from a hundredth of its weight to the full weight.

    Args:
        epochs: Passes over the training images, over all phases.
        learning_rate: The highest.
        delay: Share of the epochs in which the largest network is trained alone.
        ramp: Share of the remaining epochs over which the weight of the other subnets' loss rises.
    """
    (phase,) = sandwich(epochs, learning_rate).phases
    return Schedule((replace(phase, delay=delay, ramp=ramp, sort_channels=delay > 0),))


def todm(epochs: float, learning_rate: float) -> Schedule:
    """Adaptive dropout and alpha-divergence on the sandwich rule (Shangguan et al., "TODM", ICASSP 2024).

    Args:
        epochs: Passes over the training images, over all phases.
        learning_rate: The highest.
    """
    (phase,) = sandwich(epochs, learning_rate).phases
    return Schedule((replace(phase, divergence="alpha", dropout=0.1),))


def single(epochs: float, learning_rate: float) -> Schedule:
    """One uniformly drawn subnet per step, trained by labels alone: the baseline.

    Args:
        epochs: Passes over the training images, over all phases.
        learning_rate: The highest.
    """
    (phase,) = sandwich(epochs, learning_rate).phases
    return Schedule((replace(phase, subnets=("random",), loss="labels"),))


def few_shot(epochs: float, learning_rate: float, batches: int = 8) -> Schedule:
    """Delayed shrinking for three fifths, then two splits into four leaves (Hu et al., ICLR 2022).

    Args:
        epochs: Passes over the training images, over all phases.
        learning_rate: Highest learning rate before the splits; the leaves take three tenths of it.
        batches: Number of batches on which the gradients of a gene's values are compared before a split.
    """
    (whole,) = deps(0.6 * epochs, learning_rate).phases
    split = FewShotSplit(("kernel", "depth", *_WIDTHS), batches=batches)
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

    Weights are then rounded twice from one stored model of 8 bits, and sensitive layers are drawn with more bits
    (Huang et al., "Nearly Lossless Adaptive Bit Switching", 2025).

    Args:
        epochs: Passes over the training images, over all phases.
        learning_rate: Highest learning rate in floating point; the phase with policies takes a fifth of it.
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
