"""Networks in which one layer is compressed and all others are left as they are, run over shared beginnings.

What lies before the compressed layer is computed once for all variants of all layers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from nas.compression.compress import calibrating
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import view_compressed
from nas.compression.tracing.quantized_graph import Quantize
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork


@dataclass(frozen=True, eq=False)
class LayerVariant:
    """A network with one compressed layer.

    Attributes:
        layer: Index of the layer.
        choice: Index of its policy among the choices of the layer.
        network: The network; it shares its tensors with the trained one.
        start: Index of its first node that is not computed as in the trained network.
        rounded: Index behind its last node that rounds an activation.
    """

    layer: int
    choice: int
    network: GraphNetwork
    start: int
    rounded: int

    def run(self, known: dict[str, Any], inputs: Tensor) -> Tensor:
        """The joined outputs, shape (batch, ...).

        Args:
            known: What the trained network has computed before `start`, each of shape (batch, ...).
            inputs: The inputs, shape (batch, ...).
        """
        (last,) = deque(self.network.resume(known, self.start, inputs), maxlen=1)
        return join_outputs(tuple(last[name] for name in self.network.graph.outputs))

    def run_rounding(self, known: dict[str, Any], inputs: Tensor) -> None:
        """Computes no more than calibrates the activations that are rounded.

        Args:
            known: As for `run`, each of shape (batch, ...).
            inputs: The inputs, shape (batch, ...).
        """
        for _ in islice(self.network.resume(known, self.start, inputs), self.rounded - self.start + 1):
            pass


class LayerVariants:
    """The variants of a subject, one for each choice that does not leave its layer as it is; they are calibrated.

    Args:
        subject: What is compressed; it has data.
    """

    def __init__(self, subject: CompressionSubject) -> None:
        self._subject, self._plain = subject, subject.traced.network()
        self._variants: dict[int, list[LayerVariant]] = {}
        for layer, known in enumerate(subject.choices):
            for choice, policy in enumerate(known):
                if policy.quantization is not None:
                    variant = _compress_alone(subject, layer, choice)
                    self._variants.setdefault(variant.start, []).append(variant)
        self._calibrate()

    @torch.no_grad()
    def run(self, inputs: Tensor) -> Iterator[tuple[LayerVariant, Tensor]]:
        """The joined outputs of every variant for one batch, shape (batch, ...), those of the first layers first."""
        for known, variants in self._walk(inputs):
            for variant in variants:
                yield variant, variant.run(known, inputs)

    @torch.no_grad()
    def _calibrate(self) -> None:
        """Fixes the ranges of all variants over all data."""
        observer = self._subject.methods.observer
        rounding = [one for group in self._variants.values() for one in group if one.rounded > one.start]
        with ExitStack() as stack:
            for variant in rounding:
                stack.enter_context(calibrating(variant.network, observer))
            for inputs in self._subject.need_data() if rounding else ():
                for known, variants in self._walk(inputs):
                    for variant in variants:
                        variant.run_rounding(known, inputs)

    def _walk(self, inputs: Tensor) -> Iterator[tuple[dict[str, Any], list[LayerVariant]]]:
        """What the trained network has computed before the first node of variants, and these variants."""
        last = max(self._variants, default=-1)
        for index, known in enumerate(islice(self._plain.steps(inputs), last + 1)):
            if index in self._variants:
                yield known, self._variants[index]


def join_outputs(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """All outputs as one tensor, shape (batch, ...): a single one as it is, several flattened and joined."""
    if isinstance(outputs, Tensor):
        return outputs
    return outputs[0] if len(outputs) == 1 else torch.cat([output.flatten(1) for output in outputs], 1)


def _compress_alone(subject: CompressionSubject, layer: int, choice: int) -> LayerVariant:
    entries = [LayerPolicy()] * len(subject.choices)
    entries[layer] = subject.choices[layer][choice]
    network = view_compressed(subject.traced, CompressionPolicy(tuple(entries)), subject.methods.quantizer)
    network.keep_rounded_weights()
    weight = subject.traced.graph.layers[layer].weight
    rounding = [index for index, node in enumerate(network.graph.nodes) if isinstance(node.operator, Quantize)]
    start = min([index for index, node in enumerate(network.graph.nodes) if node.weight == weight] + rounding)
    return LayerVariant(layer, choice, network, start, max(rounding, default=start - 1) + 1)
