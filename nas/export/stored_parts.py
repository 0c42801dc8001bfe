"""What stored networks of every kind have: operators that are data, and quantisers in numbers."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.rounding.fixed_steps import FixedSteps
from nas.compression.tracing.quantized_graph import Quantize
from search_spaces.compression_policy import FULL_PRECISION_BITS, QUANTIZED_BITS
from search_spaces.dataflow import Slot
from search_spaces.elastic.opaque_calls import find_torch_operation
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.network_graph import Node
from search_spaces.operators.opaque import Opaque
from search_spaces.operators.operator import Operator
from search_spaces.operators.registry import OPERATORS
from search_spaces.quoting import quote, quote_name

NETWORK, STEPS = "network/", "steps/"  # prefixes of the names of tensors: those of the network, and of its rounding
_STORED: dict[str, type[Operator]] = {Quantize.name: Quantize, Slot.name: Slot}
# what a stored graph may have: those two besides, which no traced network has
STORED_OPERATORS: Mapping[str, type[Operator]] = ChainMap(_STORED, OPERATORS)  # type: ignore[arg-type]


def check_operators(nodes: Iterable[Node]) -> None:
    """Refuses opaque operators that are no operations of torch itself: a file is data, and brings no code along.

    Args:
        nodes: The nodes of a network.

    Raises:
        ValueError: If there is one; it is named, with its node.
    """
    for node in nodes:
        if isinstance(node.operator, Opaque):
            target = node.operator.target
            if not target.startswith("aten."):
                raise ValueError(
                    f"node {quote_name(node.name)} calls {quote_name(target)}, code of another package than torch, and "
                    "files of networks bring none along; replace it in the network, or export ONNX alone"
                )
            find_torch_operation(target)


@dataclass(frozen=True)
class StoredActivation:
    """How an activation is rounded.

    Attributes:
        bits: Bits of a code; 32 does not round.
        low: Lowest value of the calibrated range; None where nothing is rounded.
        high: The highest.
    """

    bits: int
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, quantizer: ActivationQuantizer, where: str) -> StoredActivation:
        """How a quantiser rounds.

        Args:
            quantizer: The quantiser.
            where: What it is of, for errors.

        Raises:
            ValueError: If it rounds, and has no calibrated range.
        """
        if quantizer.bits == FULL_PRECISION_BITS:
            return cls(quantizer.bits)
        if quantizer.range is None:
            raise ValueError(f"a network must be calibrated, and {quote_name(where)} has no range; run it on inputs")
        return cls(quantizer.bits, *map(float, quantizer.range))

    def restore(self, quantizer: ActivationQuantizer, where: str) -> ActivationQuantizer:
        """Sets bits and range of a quantiser, and returns it.

        Args:
            quantizer: The quantiser, which is changed.
            where: What it is of, for errors.

        Raises:
            ValueError: If a quantiser cannot have these bits, or what rounds has no range.
        """
        quantizer.bits = check_bits(self.bits, where)
        if self.bits != FULL_PRECISION_BITS:
            low, high = (math.nan if end is None else end for end in (self.low, self.high))
            if not low <= high:
                raise ValueError(f"{quote_name(where)} needs a range of activations, got {self.low} to {self.high}")
            quantizer.range = low, high
        return quantizer


def check_bits(bits: int, where: str) -> int:
    """Returns the bits of a quantiser.

    Args:
        bits: The bits.
        where: What they are of, for errors.

    Raises:
        ValueError: If a quantiser cannot have as many.
    """
    if bits not in (*QUANTIZED_BITS, FULL_PRECISION_BITS):
        raise ValueError(f"bits of {quote_name(where)} must be 2 to 8, or 32, got {quote(bits)}")
    return bits


def read_steps(tensors: Mapping[str, Tensor], name: str, count: int) -> FixedSteps:
    """The steps of a rounded weight.

    Args:
        tensors: All tensors of a file, of any shapes.
        name: Name of the weight.
        count: How many steps it has.

    Raises:
        ValueError: If they are not as many positive numbers, in single precision.
    """
    steps = tensors.get(f"{STEPS}{name}")
    if steps is None or steps.dtype != torch.float32 or tuple(steps.shape) != (count,):
        raise ValueError(f"{quote_name(name)} is rounded in {count:,} steps of float32, which are not there")
    if not bool(((steps > 0) & steps.isfinite()).all()):
        raise ValueError(f"the steps of {quote_name(name)} must be positive numbers")
    return FixedSteps.of(steps)
