"""Workloads: what a profiler can be asked to run, whatever its runtime.

A workload is a value that says what is to run; each runtime decides how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search_spaces.compression_policy import LayerPolicy
from search_spaces.dataflow import Slot, get_layer_name
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import Node
from search_spaces.operators.operator import Shape

_REPLICAS = 8
# Most weights and operations of all replicas together. A large layer needs fewer replicas, as the session and the
# conversion of its input are small beside it.
_REPLICATED_WEIGHTS = 1 << 22
_REPLICATED_MACS = 1 << 26


@dataclass(frozen=True, slots=True)
class EmptySession:
    """A session without a layer, whose latency is that of a `ReplicatedLayer` besides its layers."""


@dataclass(frozen=True, slots=True)
class ReplicatedLayer:
    """Several replicas of a layer with random weights, side by side, as if within a network.

    Attributes:
        layer: The layer; its name does not matter.
        policy: The policy as which the device executes the layer.
    """

    layer: LayerSpec
    policy: LayerPolicy

    @property
    def count(self) -> int:
        """Number of replicas: 8, or fewer of a large layer, but at least 1."""
        macs = max(1, self.layer.macs)  # an embedding multiplies nothing
        return max(1, min(_REPLICAS, _REPLICATED_WEIGHTS // self.layer.weights, _REPLICATED_MACS // macs))


@dataclass(frozen=True, slots=True)
class RandomNetwork:
    """A whole network with random weights, which its latency does not depend on.

    Attributes:
        nodes: Its nodes, in execution order.
        layers: The layer of every slot by name, with the policy as which the device executes it.
        inputs: Shapes of its inputs, without the batch axis, by name.
    """

    nodes: tuple[Node, ...]
    layers: Mapping[str, tuple[LayerSpec, LayerPolicy]]
    inputs: Mapping[str, Shape]

    def layer_at(self, node: Node) -> tuple[LayerSpec, LayerPolicy] | None:
        """The layer that is called at a node, with the policy as which it is executed; None if the node calls none."""
        name = get_layer_name(node)
        if name is None:
            return None
        layer, policy = self.layers[name]
        assert isinstance(node.operator, Slot)
        return layer.calls[node.operator.call], policy


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """A serialised ONNX network with one input.

    Attributes:
        onnx: The serialised model.
        input_shape: Shape of its input, with the batch axis.
    """

    onnx: bytes
    input_shape: tuple[int, ...]


Workload = EmptySession | ReplicatedLayer | RandomNetwork | OnnxNetwork
