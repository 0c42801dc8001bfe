"""Training schedules as data: phases, what is open in each, and what a step of it does.

In: literal numbers. Out: frozen `Schedule`s, and where a step lies in them. Knows no network and no images.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Domain, Subspace

Subnet = Literal["largest", "smallest", "random"]
Loss = Literal["labels", "teacher", "in_place"]
Divergence = Literal["kl", "alpha"]
Law = Literal["cosine", "constant"]
BitSampling = Literal["uniform", "hessian"]


@dataclass(frozen=True)
class Split:
    """A split of every leaf of the supernet, by gradient matching, at the start of a phase.

    Attributes:
        dimensions: The dimensions of the genes that may be split, such as `("kernel", "policy")`.
        groups: Leaves that each present leaf becomes.
        batches: Batches over which the agreement of gradients is averaged.
    """

    dimensions: tuple[str, ...]
    groups: int = 2
    batches: int = 20

    def __post_init__(self) -> None:
        if not self.dimensions or self.groups < 2 or self.batches < 1:
            raise ValueError(f"a split needs dimensions, 2 or more groups and 1 or more batches, got {self}")
        if "resolution" in self.dimensions:
            raise ValueError(f"a split compares gradients on the same images, so never by resolution, got {self}")


@dataclass(frozen=True)
class Phase:
    """A part of a training during which the same rules hold.

    Attributes:
        name: For progress and errors.
        epochs: Length in passes over the training images; need not be whole.
        learning_rate: Peak of the law.
        open: What is elastic, as in `Subspace.opened`; the rest stays at the largest network.
        subnets: The subnets of one step; all get the same images at one resolution.
        loss: `labels` for all; `teacher`: labels and the logits of the frozen largest network, which is copied when the
            first phase that needs it starts; `in_place`: labels for the first subnet, whose logits teach the others.
        divergence: How a student's logits are compared with a teacher's: `kl` or `alpha`.
        law: `cosine` falls to 0 at the end of the phase; `constant` stays.
        warm_up_epochs: At the start the learning rate rises linearly over these.
        delay: Share of the phase during which only the first subnet of each step is trained.
        ramp: Share of what then remains over which the loss of the others rises from `ramp_start` to its full weight.
        ramp_start: Weight of the others' loss at the start of the ramp.
        dropout: Chance that a feature of the largest network is dropped before the classifier; a narrower subnet drops
            less, in proportion to its mean width.
        sort_channels: Whether channels are sorted by importance before narrower subnets are trained: at the start of
            the phase or, where there is one, at the end of the delay.
        bit_sampling: How policies are drawn: `uniform`, or by `hessian`: sensitive layers get more bits.
        split: Splits every leaf before the phase starts.
    """

    name: str
    epochs: float
    learning_rate: float
    open: Mapping[str, Domain] = field(default_factory=dict)
    subnets: tuple[Subnet, ...] = ("largest",)
    loss: Loss = "labels"
    divergence: Divergence = "kl"
    law: Law = "cosine"
    warm_up_epochs: float = 0.0
    delay: float = 0.0
    ramp: float = 0.0
    ramp_start: float = 0.01
    dropout: float = 0.0
    sort_channels: bool = False
    bit_sampling: BitSampling = "uniform"
    split: Split | None = None

    def __post_init__(self) -> None:
        largest_first = self.subnets[:1] == ("largest",)
        for key, rule, kept in (
            ("epochs", "be above 0 and finite", 0 < self.epochs < math.inf),
            ("learning_rate", "be above 0 and finite", 0 < self.learning_rate < math.inf),
            (
                "subnets",
                f"be one or more of {get_args(Subnet)}",
                bool(self.subnets) and {*self.subnets} <= {*get_args(Subnet)},
            ),
            ("subnets", "begin with largest where it teaches the others", largest_first or self.loss != "in_place"),
            ("subnets", "begin with largest where it is alone at first", largest_first or not self.delay),
            ("loss", f"be one of {get_args(Loss)}", self.loss in get_args(Loss)),
            ("divergence", f"be one of {get_args(Divergence)}", self.divergence in get_args(Divergence)),
            ("law", f"be one of {get_args(Law)}", self.law in get_args(Law)),
            ("bit_sampling", f"be one of {get_args(BitSampling)}", self.bit_sampling in get_args(BitSampling)),
            ("warm_up_epochs", f"lie in [0, {self.epochs}], the epochs", 0 <= self.warm_up_epochs <= self.epochs),
            ("delay", "lie in [0, 1]", 0 <= self.delay <= 1),
            ("ramp", "lie in [0, 1]", 0 <= self.ramp <= 1),
            ("ramp_start", "lie in (0, 1]", 0 < self.ramp_start <= 1),
            ("dropout", "lie in [0, 0.99]", 0 <= self.dropout <= 0.99),
        ):
            if not kept:
                raise ValueError(f"phase {self.name!r}: {key} must {rule}, got {getattr(self, key)!r}")

    def domain(self, space: JointSpace) -> Subspace:
        """What is open in a space.

        Raises:
            ValueError: If the phase opens what the space lacks or splits by it, or opens policies that do not fall from
                many bits to few.
        """
        try:
            opened = Subspace.opened(space, self.open)
        except ValueError as error:
            raise ValueError(f"phase {self.name!r}: {error}") from error
        known = list(dict.fromkeys(gene.dimension for gene in space.genes))
        for dimension in self.split.dimensions if self.split else ():
            if dimension not in known:
                raise ValueError(
                    f"phase {self.name!r}: space {space.name!r} has no {dimension!r} to split by; "
                    f"it has {', '.join(known)}"
                )
        whole = Subspace.whole(space)
        if self.split is not None and not whole.splittable(self.split.dimensions, self.split.groups, opened):
            raise ValueError(
                f"phase {self.name!r}: a split by {', '.join(self.split.dimensions)} needs a gene of these that the "
                f"phase opens fully, of {self.split.groups} or more values, and that matters in all candidates; it "
                f"opens {dict(self.open)}"
            )
        several = any(gene.is_policy and len(values) > 1 for gene, values in zip(space.genes, opened.open, strict=True))
        bits = [policy.weight_bits for policy in space.policies.policies]
        if several and bits != sorted(bits, reverse=True):
            raise ValueError(
                f"phase {self.name!r}: policies that are trained must be listed from the most weight bits to the "
                f"fewest, got {', '.join(str(policy) for policy in space.policies.policies)}"
            )
        return opened

    def others_weight(self, position: float) -> float:
        """Weight of the loss of all subnets but the first, at a position in [0, 1) of the phase; 0 while delayed."""
        if position < self.delay:
            return 0.0
        if self.ramp == 0:
            return 1.0
        risen = min((position - self.delay) / (self.ramp * (1 - self.delay)), 1.0)
        return self.ramp_start ** (1 - risen)

    def steps_alone(self, steps: int) -> int:
        """Of so many steps of the phase, those of the delay."""
        return bisect_left(range(steps), self.delay, key=lambda step: step / steps)

    def learning_rate_at(self, position: float) -> float:
        """Learning rate at a position in [0, 1) of the phase, before any warm-up."""
        return (
            self.learning_rate * (1 + math.cos(math.pi * position)) / 2 if self.law == "cosine" else self.learning_rate
        )


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
        """What is open in each phase; raises as `Phase.domain` does."""
        return [phase.domain(space) for phase in self.phases]

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

    def passes(self, steps_per_epoch: int) -> int:
        """Forward-backward passes of the whole schedule, the measure of its cost; a teacher's forward not counted."""
        total, start = 0, 0
        for phase, end in zip(self.phases, self.ends(steps_per_epoch), strict=True):
            alone = phase.steps_alone(end - start)
            total += alone + (end - start - alone) * len(phase.subnets)
            start = end
        return total
