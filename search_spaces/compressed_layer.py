"""The layers that run in place of a layer under a policy: what is priced, measured and stored.

A layer of low rank is two layers; a corrected one is itself and two more, whose output is added to its own; every other
one is itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.low_rank import CORRECTION_BITS, LowRank, LowRankCorrection, factorize_operator
from search_spaces.sparsity import check_sparsity
from search_spaces.weight_groups import check_group_size


def name_factors(name: str) -> tuple[str, str]:
    """The names of the two layers that run in place of a layer of low rank, or correct it.

    No module has a name with spaces.
    """
    return f"{name} first factor", f"{name} second factor"


def expand_policy(policy: LayerPolicy) -> tuple[LayerPolicy, ...]:
    """The policies of the layers that run in place of a layer, in the order of `expand_layer`.

    Args:
        policy: The policy of the layer.
    """
    if policy.has_no_factors:
        return (policy,)
    rest = replace(policy, low_rank=None, correction=None)
    if policy.low_rank is not None:
        return rest, rest
    factor = LayerPolicy.quantized(CORRECTION_BITS, policy.activation_bits)
    return rest, factor, factor


def expand_layer(layer: LayerSpec, policy: LayerPolicy) -> tuple[tuple[LayerSpec, LayerPolicy], ...]:
    """The layers that run in place of a layer, each with its policy, of which none is of low rank or corrected.

    Of a corrected layer these are itself, as it is, and the first and the second factor. The addition of both outputs,
    in front of the normalisation, is none: it has no weight.

    Args:
        layer: The layer.
        policy: Its policy.

    Raises:
        ValueError: If the layer cannot be of that rank, not be sparse in that way, or not have such groups of inputs.
    """
    if policy.is_of_bits_alone:
        return ((layer, policy),)
    return _expand(layer, policy)


def expand_calls(layers: Iterable[tuple[LayerSpec, LayerPolicy]]) -> Iterator[tuple[LayerSpec, LayerPolicy]]:
    """Every call of every layer that runs in place of some layers, in order.

    Args:
        layers: The layers, each with its policy.

    Raises:
        ValueError: As for `expand_layer`.
    """
    for layer, policy in layers:
        for part, rest in expand_layer(layer, policy):
            yield from ((call, rest) for call in part.calls)


@lru_cache(maxsize=1 << 14)  # searches price the same few layers again and again
def _expand(layer: LayerSpec, policy: LayerPolicy) -> tuple[tuple[LayerSpec, LayerPolicy], ...]:
    layers: tuple[LayerSpec, ...] = (layer,)
    if policy.low_rank is not None:
        layers = _factorize(layer, policy.low_rank)
    elif policy.correction is not None:
        layers = (layer, *_factorize(layer, policy.correction))
    expanded = tuple(zip(layers, expand_policy(policy), strict=True))
    for one, rest in expanded:
        for call in one.calls:
            if rest.sparsity is not None:
                check_sparsity(call.operator, rest.sparsity)
            if rest.group_size is not None:
                check_group_size(call.operator, rest.group_size)
    return expanded


def _factorize(layer: LayerSpec, low_rank: LowRank | LowRankCorrection) -> tuple[LayerSpec, LayerSpec]:
    """The two factors of a layer, with all of its calls."""
    pairs = [_factorize_call(call, low_rank) for call in layer.calls]
    (first, second), further = pairs[0], pairs[1:]
    return (
        replace(first, further_calls=tuple(one for one, _ in further)),
        replace(second, further_calls=tuple(other for _, other in further)),
    )


def _factorize_call(call: LayerSpec, low_rank: LowRank | LowRankCorrection) -> tuple[LayerSpec, LayerSpec]:
    """Normalisation and activation stay behind the second factor, or else with the layer that is corrected."""
    first, second = factorize_operator(call.operator, low_rank)
    names = name_factors(call.name)
    inner = LayerSpec(names[0], first, call.input_shape)
    outer = LayerSpec(names[1], second, inner.output_shape)
    if isinstance(low_rank, LowRank):
        outer = replace(outer, normalized=call.normalized, activation=call.activation)
    return inner, outer
