"""Phases of a training as data: what is elastic in each, which subnets a step trains, and what they learn from."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace
from search_spaces.value_selector import ValueSelector

Subnet = Literal["largest", "smallest", "random"]
Loss = Literal["labels", "teacher", "in_place"]
Divergence = Literal["kl", "alpha"]
Decay = Literal["cosine", "constant"]
BitSampling = Literal["uniform", "hessian"]


@dataclass(frozen=True)
class FewShotSplit:
    """The split of every leaf of a supernet, by gradient matching, at the start of a phase.

    To split is to divide the part of the space that a leaf serves by the values of one gene; each group of values gets
    a leaf, a set of weights, of its own.

    Attributes:
        dimensions: The dimensions of the genes that a leaf may be split by, such as `("kernel", "policy")`.
        groups: Number of groups of values, and so of the leaves that replace each present leaf.
        batches: Number of batches over which the agreement of gradients is averaged.

    Raises:
        ValueError: If there are no dimensions, fewer than two groups or no batches, or resolution is a dimension.
    """

    dimensions: tuple[str, ...]
    groups: int = 2
    batches: int = 20

    def __post_init__(self) -> None:
        if not self.dimensions or self.groups < 2 or self.batches < 1:
            given = f"{list(self.dimensions)}, {self.groups} groups, {self.batches} batches"
            raise ValueError(f"a split needs dimensions, 2 or more groups and 1 or more batches, got {given}")
        if "resolution" in self.dimensions:
            raise ValueError(
                "a split cannot be by resolution, as it compares gradients on the same images; leave it out of the "
                f"dimensions, got {list(self.dimensions)}"
            )


@dataclass(frozen=True)
class Phase:
    """A part of a training during which the same rules hold.

    Attributes:
        name: Name of the phase in progress reports and errors; distinct in a schedule.
        epochs: Length in passes over the training images; need not be whole.
        learning_rate: Highest learning rate of the phase.
        open: The values that are trained, by dimension or gene, as `Subspace.opened` reads them; all other genes stay
            at the values of the largest network.
        subnets: The subnets of one step; all read the same images at one resolution.
        loss: What subnets learn from. `labels`: the labels alone. `teacher`: the labels and the logits of the frozen
            largest network, which is copied when the first phase that needs it starts. `in_place`: the first subnet
            learns from the labels, the others from the logits of the first.
        divergence: How a student's logits are compared with a teacher's: `kl` or `alpha`.
        decay: Decay of the learning rate: `cosine` falls to 0 at the end of the phase, `constant` does not fall.
        warm_up_epochs: Epochs at the start of the phase over which the learning rate rises linearly.
        delay: Share of the phase during which only the first subnet of each step is trained.
        ramp: Share of the phase after the delay over which the weight of the other subnets' loss rises from
            `ramp_start` to 1.
        ramp_start: Weight of the other subnets' loss at the start of the ramp, in (0, 1].
        dropout: Probability that a feature of the largest network is dropped before the classifier; a narrower subnet
            drops less, in proportion to its mean width.
        sort_channels: Whether channels are sorted by importance before narrower subnets are trained: at the start of
            the phase or, where there is one, at the end of the delay.
        bit_sampling: How policies are drawn: `uniform`, or `hessian`, by which sensitive layers draw more bits.
        split: How every leaf is split before the phase starts; None for no split.

    Raises:
        ValueError: If a number is out of its range or a name unknown; if `subnets` does not begin with `largest` and
            there is a delay or an `in_place` loss; if `divergence` is not `kl` and no teacher is used; or if there is a
            ramp and one subnet per step.
    """

    name: str
    epochs: float
    learning_rate: float
    open: Mapping[str, ValueSelector] = field(default_factory=dict)
    subnets: tuple[Subnet, ...] = ("largest",)
    loss: Loss = "labels"
    divergence: Divergence = "kl"
    decay: Decay = "cosine"
    warm_up_epochs: float = 0.0
    delay: float = 0.0
    ramp: float = 0.0
    ramp_start: float = 0.01
    dropout: float = 0.0
    sort_channels: bool = False
    bit_sampling: BitSampling = "uniform"
    split: FewShotSplit | None = None

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
            ("divergence", "be kl where the loss is labels", self.loss != "labels" or self.divergence == "kl"),
            ("decay", f"be one of {get_args(Decay)}", self.decay in get_args(Decay)),
            ("bit_sampling", f"be one of {get_args(BitSampling)}", self.bit_sampling in get_args(BitSampling)),
            ("warm_up_epochs", f"lie in [0, {self.epochs}], the epochs", 0 <= self.warm_up_epochs <= self.epochs),
            ("delay", "lie in [0, 1]", 0 <= self.delay <= 1),
            ("ramp", "lie in [0, 1]", 0 <= self.ramp <= 1),
            ("ramp", "be 0 where a step has one subnet", len(self.subnets) > 1 or not self.ramp),
            ("ramp_start", "lie in (0, 1]", 0 < self.ramp_start <= 1),
            ("dropout", "lie in [0, 0.99]", 0 <= self.dropout <= 0.99),
        ):
            if not kept:
                raise ValueError(f"phase {self.name!r}: {key} must {rule}, got {getattr(self, key)!r}")

    def open_subspace(self, space: JointSpace) -> Subspace:
        """The part of a space from which the phase draws its subnets.

        Raises:
            ValueError: If the phase opens, or splits by, a dimension that the space lacks; if it opens policies that
                are not listed from the most weight bits to the fewest; or if it draws policies by the Hessian and opens
                no layer to two or more.
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
        several = any(gene.is_policy and len(values) > 1 for gene, values in zip(space.genes, opened.open, strict=True))
        if self.bit_sampling == "hessian" and not several:
            raise ValueError(
                f"phase {self.name!r}: bit_sampling hessian needs two or more policies open, such as policy: all, "
                f"got {dict(self.open)}"
            )
        # The largest network takes the first policy of each layer. It teaches the others, so it must have most bits.
        for policies in space.slot_policies if several else ():
            bits = [policy.weight_bits for policy in policies]
            if bits != sorted(bits, reverse=True):
                raise ValueError(
                    f"phase {self.name!r}: policies that are trained must be listed from the most weight bits to the "
                    f"fewest, got {', '.join(map(str, policies))}"
                )
        return opened

    def others_weight_at(self, progress: float) -> float:
        """Weight of the loss of all subnets but the first, in [0, 1]; 0 during the delay.

        Args:
            progress: Share of the phase that is over, in [0, 1).
        """
        if progress < self.delay:
            return 0.0
        if self.ramp == 0:
            return 1.0
        risen = min((progress - self.delay) / (self.ramp * (1 - self.delay)), 1.0)
        return self.ramp_start ** (1 - risen)  # from ramp_start to 1, by an equal factor in equal times

    def count_delayed_steps(self, steps: int) -> int:
        """Number of steps in the delay, in which the first subnet is trained alone, of a phase of `steps` steps."""
        return bisect_left(range(steps), self.delay, key=lambda step: step / steps)

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate before any warm-up.

        Args:
            progress: Share of the phase that is over, in [0, 1).
        """
        if self.decay == "constant":
            return self.learning_rate
        return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
