"""The formats of an exported candidate: what of its compression the network of each computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from nas.evaluation.realize import CandidateRealizer
from nas.jobs.stages.found_network import FoundNetwork
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy, LayerPolicy
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.quoting import quote

MIXED, INT8, FP32, WEIGHT_ONLY = "mixed", "int8", "fp32", "weight_only"
FORMATS = (MIXED, INT8, FP32, WEIGHT_ONLY)


def realize_format(
    found: FoundNetwork, form: str, realizer: CandidateRealizer, restore: Callable[[], nn.Module] | None
) -> nn.Module:
    """The network of a candidate in torch, in evaluation mode.

    Args:
        found: The candidate, and the run whose network it is.
        form: The format.
        realizer: Makes it of the candidate.
        restore: Gives the network if it was fine-tuned; None if it was not.

    Raises:
        ValueError: If the network cannot have the format.
    """
    if restore is not None and form == FP32:
        raise ValueError(
            f"a fine-tuned network was trained with its rounding, so there is none without; {quote(found.record.run)} "
            "can be exported as mixed, int8 or weight_only"
        )
    if restore is not None:
        network = restore()
    else:
        policy = change_policy(found.candidate.policy, form) if form == FP32 else found.candidate.policy
        network = realizer.realize(Candidate(found.candidate.architecture, policy))
    if form == WEIGHT_ONLY:  # by the very codes of the weights that were measured
        for module in network.modules():
            if isinstance(module, ActivationQuantizer):
                module.bits = FULL_PRECISION_BITS
    return network


def change_policy(policy: CompressionPolicy, form: str) -> CompressionPolicy:
    """The policy by which a network of a format computes.

    Args:
        policy: The policy of the candidate.
        form: The format.
    """
    if form in (MIXED, INT8):
        return policy
    return CompressionPolicy(tuple(_change_layer(layer, form) for layer in policy.layers))


def _change_layer(layer: LayerPolicy, form: str) -> LayerPolicy:
    if form == FP32:  # a correction makes up for rounding, of which there is none
        return replace(layer, quantization=None, correction=None)
    bits = LayerPolicy.quantized(layer.weight_bits, FULL_PRECISION_BITS, layer.group_size)
    return replace(layer, quantization=bits.quantization)
