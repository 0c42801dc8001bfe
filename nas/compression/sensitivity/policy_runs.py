"""Runs of one network under many policies: what comes before the first compressed layer is computed once for all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from nas.compression.compress import calibrating
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.quantized_graph import Quantize
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork


@dataclass(frozen=True, eq=False)
class BatchRun:
    """What a network computes for one batch.

    Attributes:
        outputs: The joined outputs, shape (batch, ...).
        values: What was observed of values that the policy may have changed, by name.
    """

    outputs: Tensor
    values: dict[str, Tensor]


class PolicyRuns:
    """Runs a network under one policy after the other, on the data of a subject; nothing is run before it is needed.

    What lies before the first node that a policy changes is computed as in the trained network, and goes on from where
    the policy before began. So policies that compress single layers are quickest in the order of the layers; any other
    order gives the same values.

    Memory is bounded by `subject.kept_bytes`: where what the network knows of all batches takes more, it is not kept
    but computed again. While it is replaced there may be twice as much, and the outputs and what is observed of the
    trained network come on top.

    Args:
        subject: What is compressed; it has data.
        observed: What is kept besides the outputs: functions of values of the graph, of shape (batch, ...), by name.
    """

    def __init__(
        self, subject: CompressionSubject, observed: Mapping[str, Callable[[Tensor], Tensor]] | None = None
    ) -> None:
        self._subject, self._data, self._observed = subject, subject.need_data(), observed or {}
        self._plain = subject.traced.network()
        ((name, _),) = subject.traced.graph.inputs
        self._place, self._kept = 0, [{name: inputs} for inputs in self._data]

    @cached_property
    def trained(self) -> list[BatchRun]:
        """What the trained network computes for each batch."""
        plain = CompressionPolicy((LayerPolicy(),) * len(self._subject.traced.graph.layers))
        ((name, _),) = self._plain.graph.inputs
        with torch.no_grad():
            network = self._compress(plain)
            return [self._observe(network, {name: inputs}, 0, inputs) for inputs in self._data]

    @torch.no_grad()
    def run(self, policy: CompressionPolicy) -> Iterator[BatchRun]:
        """What the network computes under a policy for each batch, with ranges calibrated on all data.

        Args:
            policy: One entry for each of the layers of the network.
        """
        network = self._compress(policy)
        start = _find_first_change(network, self._plain)
        rounding = [index for index, node in enumerate(network.graph.nodes) if isinstance(node.operator, Quantize)]
        if rounding:
            with calibrating(network, self._subject.methods.observer):
                for inputs, known in self._begin(start):
                    for _ in islice(network.resume(known, start, inputs), rounding[-1] + 2 - start):
                        pass  # no more is run than is rounded
        for inputs, known in self._begin(start):
            yield self._observe(network, known, start, inputs)

    def _compress(self, policy: CompressionPolicy) -> GraphNetwork:
        network = self._subject.view_compressed(policy)
        network.keep_rounded_weights()
        return network

    def _begin(self, place: int) -> Iterator[tuple[Tensor, dict[str, Any]]]:
        """The batches of inputs, each with what the trained network knows before the node of an index."""
        ((name, _),) = self._plain.graph.inputs
        begun, before = (self._place, self._kept) if self._place <= place else (0, [{name: x} for x in self._data])
        reached, size = [], 0
        for inputs, known in zip(self._data, before, strict=True):
            found = dict(next(islice(self._plain.resume(known, begun, inputs), place - begun, None)))
            size += sum(value.nbytes for value in found.values() if isinstance(value, Tensor))
            if size <= self._subject.kept_bytes:
                reached.append(found)
            else:
                reached.clear()
            yield inputs, found
        if size <= self._subject.kept_bytes:
            self._place, self._kept = place, reached

    def _observe(self, network: GraphNetwork, known: dict[str, Any], start: int, inputs: Tensor) -> BatchRun:
        values: dict[str, Tensor] = {}
        for step in network.resume(known, start, inputs):
            new = self._observed.keys() & step.keys() - values.keys()
            values |= {name: self._observed[name](step[name]) for name in new}
            last = step
        return BatchRun(join_outputs(tuple(last[name] for name in network.graph.outputs)), values)


def walk_values(network: GraphNetwork, names: Collection[str], inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Runs a network, and gives each named value, shape (batch, ...), once it is computed; those that none reads not.

    Args:
        network: The network.
        names: Names of values of its graph.
        inputs: The inputs, shape (batch, ...).
    """
    left = set(names)
    for step in network.steps(inputs):
        for name in left & step.keys():
            left.remove(name)
            yield name, step[name]


def join_outputs(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """All outputs as one tensor, shape (batch, ...): a single one as it is, several flattened and joined."""
    if isinstance(outputs, Tensor):
        return outputs
    return outputs[0] if len(outputs) == 1 else torch.cat([output.flatten(1) for output in outputs], 1)


def compress_alone(layers: int, layer: int, policy: LayerPolicy) -> CompressionPolicy:
    """The policy that compresses one layer and leaves all others as they are.

    Args:
        layers: Number of layers.
        layer: Index of the compressed one.
        policy: Its policy.
    """
    return CompressionPolicy(tuple(policy if index == layer else LayerPolicy() for index in range(layers)))


def _find_first_change(network: GraphNetwork, trained: GraphNetwork) -> int:
    """Index of the first node that is not computed as in the trained network; that behind the last if all are."""
    for index, (node, before) in enumerate(zip(network.graph.nodes, trained.graph.nodes, strict=False)):
        if node != before or (node.weight is not None and _is_changed(network, trained, node.weight)):
            return index
    return len(trained.graph.nodes)


def _is_changed(network: GraphNetwork, trained: GraphNetwork, weight: str) -> bool:
    """Whether a weight is rounded, or is another tensor than that of the trained network, as sparse weights are."""
    same = network.tensor(weight).data_ptr() == trained.tensor(weight).data_ptr()
    return network.weight_quantizer(weight) is not None or not same
