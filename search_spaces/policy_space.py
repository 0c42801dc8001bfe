"""The policies that the layers of a space may choose from: the same for all layers, except where a rule matches.

Independent of the family: a rule finds layers by their name, their operator or their position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.layer_slot import LayerSlot
from search_spaces.layer_spec import LayerSpec
from search_spaces.low_rank import CORRECTION_BITS
from search_spaces.operators.weighted import Convolution
from search_spaces.search_space import SearchSpace

Position = Literal["first", "last"]


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """The policies of some layers, which are matched by exactly one of name, operator and position.

    Attributes:
        policies: The policies that these layers may choose from.
        name: Pattern of the names of the layers, in which `*` stands for any characters, such as `stages.0.*`.
        operator: Operator of the layers, by its name in `search_spaces.operators.registry`, such as `convolution` or
            `linear`; `depthwise` matches convolutions with one kernel per channel.
        position: `"first"` or `"last"` of all layers in execution order.

    Raises:
        ValueError: If there is no policy or a policy is listed twice, if not exactly one of name, operator and position
            is given, or if the position is another text.
    """

    policies: tuple[LayerPolicy, ...]
    name: str | None = None
    operator: str | None = None
    position: Position | None = None

    def __post_init__(self) -> None:
        _check_distinct(self.policies)
        if [self.name, self.operator, self.position].count(None) != 2:
            raise ValueError(f"a rule of policies names layers by one of name, operator and position, got {self}")
        if self.position not in (None, *get_args(Position)):
            raise ValueError(f"the position of a rule of policies is first or last, got {self.position!r}")

    @classmethod
    def from_json(cls, parts: Mapping[str, Any]) -> PolicyRule:
        """Reads what `to_json` wrote, which is also how a job file states it.

        Raises:
            ValueError: If a policy is not written like `w4a8`, or the parts make no legal rule (see the class).
        """
        texts = {part: text for part, text in parts.items() if part != "policies"}
        return cls(tuple(LayerPolicy.parse(text) for text in parts["policies"]), **texts)

    def to_json(self) -> dict[str, Any]:
        """The part that matches layers, and the texts of the policies."""
        layers = {"name": self.name, "operator": self.operator, "position": self.position}
        found_by = {part: text for part, text in layers.items() if text is not None}
        return {**found_by, "policies": [str(policy) for policy in self.policies]}

    def __str__(self) -> str:
        return " ".join(f"{part}={text}" for part, text in self.to_json().items() if part != "policies") or "nothing"

    def fits(self, slot: LayerSlot, space: SearchSpace) -> bool:
        """Whether the rule matches a slot: by operator, whether the slot may hold a layer of that operator.

        Args:
            slot: One of the slots of the space.
            space: The space, which knows the order of the slots and the layers that each may hold.
        """
        if self.name is not None:
            return fnmatchcase(slot.name, self.name)
        if self.position is not None:
            return slot is space.slots[0 if self.position == "first" else -1]
        return any(
            self.operator in _name_operators(layer) for layer in space.slot_layers[slot.name] if layer is not None
        )


@dataclass(frozen=True, slots=True)
class PolicySpace:
    """The policies of every layer.

    Attributes:
        policies: The policies that layers may choose from that no rule matches.
        rules: Rules for the other layers; the first rule that matches a layer counts.

    Raises:
        ValueError: If there is no policy, or a policy is listed twice.
    """

    policies: tuple[LayerPolicy, ...] = (LayerPolicy(),)
    rules: tuple[PolicyRule, ...] = ()

    def __post_init__(self) -> None:
        _check_distinct(self.policies)

    @classmethod
    def parse(cls, names: Sequence[str]) -> PolicySpace:
        """Reads short forms of the policies of all layers, such as `["w32a32", "w8a8", "w4a8"]`.

        Raises:
            ValueError: If a policy is not written like `w4a8`, if there is none, or if one is listed twice.
        """
        return cls(tuple(LayerPolicy.parse(name) for name in names))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PolicySpace:
        """Reads what `to_json` wrote."""
        return cls(cls.parse(document["policies"]).policies, tuple(map(PolicyRule.from_json, document["rules"])))

    def to_json(self) -> dict[str, Any]:
        """Texts of the policies, and the rules."""
        return {"policies": [str(one) for one in self.policies], "rules": [rule.to_json() for rule in self.rules]}

    @property
    def all_policies(self) -> tuple[LayerPolicy, ...]:
        """Every policy that some layer may choose, once: first those of `policies`, then those of the rules."""
        return tuple(dict.fromkeys((*self.policies, *(policy for rule in self.rules for policy in rule.policies))))

    def policies_for(self, slot: LayerSlot, space: SearchSpace) -> tuple[LayerPolicy, ...]:
        """The policies that the layer of a slot may choose from.

        Args:
            slot: One of the slots of the space.
            space: The space.
        """
        return next((rule.policies for rule in self.rules if rule.fits(slot, space)), self.policies)

    def check(self, space: SearchSpace) -> None:
        """Refuses a space with layers of which a rule matches none, or that cannot take a policy that they may choose.

        Raises:
            ValueError: If a rule matches no layer, or a layer cannot be of the rank of a policy, not be sparse in its
                way or not have its groups of inputs.
        """
        for rule in self.rules:
            if space.slots and not any(rule.fits(slot, space) for slot in space.slots):
                operators = {name: None for slot in space.slots for name in _list_slot_operators(slot, space)}
                raise ValueError(
                    f"no layer of space {space.name!r} is found by {rule}; its layers are named like "
                    f"{space.slots[0].name} and {space.slots[-1].name}, and compute {', '.join(operators)}"
                )
        for slot in space.slots:
            for policy in self.policies_for(slot, space):
                _check_fit(slot, policy, space)


def _check_fit(slot: LayerSlot, policy: LayerPolicy, space: SearchSpace) -> None:
    """Raises ValueError if a layer that a slot may hold cannot take a policy."""
    if policy.is_of_bits_alone:
        return
    for layer in space.slot_layers[slot.name]:
        try:
            _ = layer and expand_layer(layer, policy)
        except ValueError as error:
            raise ValueError(f"{slot.name} cannot take {policy}, give it other policies by a rule: {error}") from error


def find_nearest_policy(policy: LayerPolicy, known: Sequence[LayerPolicy]) -> int:
    """The index of a policy among others, or else of the nearest one.

    Distances are those of bits, with the share that a weight has in a step of its group and in a correction. Shares of
    rank and of weights that are not zero count as the bits of a weight that they are of, which are at most 32.

    Args:
        policy: The policy that is looked for.
        known: The policies to choose from.
    """

    def distance(other: LayerPolicy) -> float:
        bits: float = abs(other.weight_bits - policy.weight_bits) + abs(other.activation_bits - policy.activation_bits)
        bits += abs(_count_bits_beside(other) - _count_bits_beside(policy))
        shares = zip(_list_shares(other), _list_shares(policy), strict=True)
        return bits + FULL_PRECISION_BITS * sum(abs(one - another) for one, another in shares)

    return known.index(policy) if policy in known else min(range(len(known)), key=lambda index: distance(known[index]))


def _count_bits_beside(policy: LayerPolicy) -> float:
    """Bits of the step of a group for each of its inputs, and of a correction for each weight of its layer."""
    step = 0.0 if policy.group_size is None else FULL_PRECISION_BITS / policy.group_size
    return step + (0.0 if policy.correction is None else CORRECTION_BITS * policy.correction.share)


def _list_shares(policy: LayerPolicy) -> tuple[float, float]:
    """The share of the rank and the share of weights that are not zero."""
    rank = 1.0 if policy.low_rank is None else policy.low_rank.share
    return rank, 1.0 if policy.sparsity is None else policy.sparsity.kept_share


def _list_slot_operators(slot: LayerSlot, space: SearchSpace) -> list[str]:
    layers = (layer for layer in space.slot_layers[slot.name] if layer is not None)
    return list(dict.fromkeys(name for layer in layers for name in _name_operators(layer)))


def _name_operators(layer: LayerSpec) -> tuple[str, ...]:
    """What a rule may call the operator of a layer."""
    depthwise = isinstance(layer.operator, Convolution) and layer.operator.is_depthwise
    return (layer.operator.name, "depthwise") if depthwise else (layer.operator.name,)


def _check_distinct(policies: tuple[LayerPolicy, ...]) -> None:
    """Raises ValueError if there is no policy, or a policy is listed twice."""
    if not policies or len(set(policies)) != len(policies):
        raise ValueError(f"layers need one or more distinct policies, got {', '.join(map(str, policies)) or 'none'}")
