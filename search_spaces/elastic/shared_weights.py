"""One set of weights that contains every network of a space, and runs or extracts any of them under any policy.

Independent of training, data and search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from search_spaces.candidate import Architecture
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.channel_groups import ChannelGroup, find_channel_groups, sort_channels
from search_spaces.elastic.double_rounding import MASTER_BITS
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.wiring import WiredNetwork
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import Node
from search_spaces.operators.weighted import Convolution
from search_spaces.search_space import SearchSpace
from search_spaces.subspace import Subspace


class SharedWeights(nn.Module):
    """The largest network of a space and the rule by which every smaller one is a view of its weights.

    A subnet takes the first channels of every layer; a smaller kernel is the centre of the next larger one, multiplied
    by a learnt matrix (Cai et al., ICLR 2020, section 3.3). `forward` runs the very network that `extract` returns,
    only on views, so the two cannot drift apart.

    Args:
        space: The search space.
        seed: Seed of the initial weights.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__()
        self.space = space
        largest = space.largest()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network = WiredNetwork(space.nodes, {spec.name: Layer(spec) for spec in space.layers(largest)})
        for layer in self.network.modules():
            if isinstance(layer, Layer) and layer.op.weight.dim() == 4:
                layer.op.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.kernel_transforms = nn.ParameterDict()
        for slot_name, sizes in self._elastic_kernels().items():
            for size in sizes[:-1]:
                self.kernel_transforms[_transform_key(slot_name, size)] = nn.Parameter(torch.eye(size * size))
        skeleton_layer = lru_cache(maxsize=4096)(_meta_layer)
        self._skeleton = lru_cache(maxsize=64)(partial(_wire_skeleton, space.nodes, skeleton_layer))

    def forward(
        self,
        inputs: Tensor,
        architecture: Architecture,
        policy: CompressionPolicy | None = None,
        drop: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Runs one architecture on the shared weights.

        Args:
            inputs: Images, shape (batch, channels, resolution, resolution).
            architecture: The subnet.
            policy: Bits of each of its layers, whose activations are quantised over the range of each batch; None
                leaves the layers in floating point.
            drop: Dropout of the features that the last layer reads; None for none.

        Returns:
            Logits, shape (batch, classes).

        Raises:
            ValueError: If the images have another resolution, or the policy has more or fewer entries than layers.
        """
        if inputs.shape[-1] != architecture.resolution or inputs.shape[-2] != architecture.resolution:
            raise ValueError(f"inputs must be {architecture.resolution} pixels square, got {tuple(inputs.shape)}")
        layers = self.space.layers(architecture)
        policies = policy.layers if policy else (LayerPolicy(),) * len(layers)
        if len(policies) != len(layers):
            raise ValueError(f"the policy must have one entry per layer ({len(layers)}), got {len(policies)}")
        skeleton = self._skeleton(layers, policies, self.learns_weight_steps, self.training)
        with _before(skeleton.layer(layers[-1].name), drop):
            output: Tensor = functional_call(skeleton, self.weights(layers), (inputs,), tie_weights=False)
        return output

    def extract(self, architecture: Architecture) -> nn.Module:
        """A stand-alone copy of one subnet with weights of its own, in evaluation mode."""
        layers = self.space.layers(architecture)
        made = {spec.name: Layer(spec) for spec in layers}
        for name, layer in made.items():
            if self._layer(name).log_weight_step is not None:
                layer.learn_weight_step(MASTER_BITS)
        network = WiredNetwork(self.space.nodes, made)
        network.load_state_dict({name: tensor.detach() for name, tensor in self.weights(layers).items()})
        return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def weights(self, layers: Sequence[LayerSpec]) -> dict[str, Tensor]:
        """The tensors of a subnet by name, in its shapes, as differentiable views of the shared weights."""
        return {name: tensor for layer in layers for name, tensor in self._layer_weights(layer)}

    @property
    def learns_weight_steps(self) -> bool:
        """Whether its layers have learnt quantisation steps."""
        return any(isinstance(layer, Layer) and layer.log_weight_step is not None for layer in self.network.modules())

    def learn_weight_steps(self, lowest_bits: int) -> None:
        """Gives every layer a learnt quantisation step, which serves all bit-widths (see `double_rounding`).

        Args:
            lowest_bits: The fewest bits in use.
        """
        for layer in self.network.modules():
            if isinstance(layer, Layer):
                layer.learn_weight_step(lowest_bits)

    def sort_channels(self, trained: Subspace | None = None) -> None:
        """Reorders all elastic channels by importance, so that narrow subnets keep the most important channels.

        Args:
            trained: Subnets whose outputs must stay the same: channels then move only between one of their widths and
                the next. None lets all channels move.
        """
        slots = {slot.name: slot for slot in self.space.slots}
        for group in self.find_channel_groups():
            producer = slots[group.producers[0]]
            widths = {layer.out_channels for layer in trained.collect_layers(producer)} if trained else set()
            sort_channels(self.network, group, sorted(widths))

    def find_channel_groups(self) -> list[ChannelGroup]:
        """The layers of the largest network that share channels; see `search_spaces.elastic.channel_groups`."""
        layers = {layer.name: layer for layer in self.space.layers(self.space.largest())}
        return find_channel_groups(self.network.nodes, layers)

    def _layer(self, name: str) -> Layer:
        layer = self.network.layer(name)
        assert isinstance(layer, Layer)
        return layer

    def _layer_weights(self, spec: LayerSpec) -> list[tuple[str, Tensor]]:
        """Names and views of the tensors of one layer of a subnet."""
        layer = self._layer(spec.name)
        shape = spec.weight_shape
        weight = _first(_first(layer.op.weight, shape[0]), shape[1], dim=1)
        if weight.shape != shape:
            weight = self._shrink_kernel(weight, spec.name, shape[-1])
        found = [(f"{spec.name}.op.weight", weight)]
        if layer.op.bias is not None:
            found.append((f"{spec.name}.op.bias", _first(layer.op.bias, spec.out_channels)))
        if layer.log_weight_step is not None:
            found.append((f"{spec.name}.log_weight_step", _first(layer.log_weight_step, spec.out_channels)))
        for name, tensor in (*layer.norm.named_parameters(), *layer.norm.named_buffers()):
            found.append((f"{spec.name}.norm.{name}", _first(tensor, spec.out_channels) if tensor.dim() else tensor))
        return found

    def _shrink_kernel(self, weight: Tensor, name: str, side: int) -> Tensor:
        """A weight with smaller square kernels: step by step the centre of the larger one, transformed if learnt."""
        for size in range(weight.shape[-1] - 2, side - 1, -2):
            centre = weight[:, :, 1:-1, 1:-1]
            key = _transform_key(name, size)
            if key in self.kernel_transforms:
                centre = (centre.flatten(2) @ self.kernel_transforms[key].T).view_as(centre)
            weight = centre
        return weight

    def _elastic_kernels(self) -> dict[str, list[int]]:
        """Kernel sizes of every layer that has several, in rising order."""
        found: dict[str, set[int]] = {}
        for slot in self.space.slots:
            for layer in self.space.slot_layers[slot.name]:
                if layer is not None and isinstance(layer.operator, Convolution):
                    found.setdefault(slot.name, set()).add(layer.operator.kernel[-1])
        return {name: sorted(sizes) for name, sizes in found.items() if len(sizes) > 1}


def _first(tensor: Tensor, size: int, dim: int = 0) -> Tensor:
    """The first `size` entries of a tensor along an axis; the tensor itself if these are all, which saves time."""
    return tensor if tensor.shape[dim] == size else tensor.narrow(dim, 0, size)


@contextmanager
def _before(layer: nn.Module, change: Callable[[Tensor], Tensor] | None) -> Iterator[None]:
    """Applies a function to the input of a layer within a `with` statement; None changes nothing."""
    if change is None:
        yield
        return
    hook = layer.register_forward_pre_hook(lambda _layer, inputs: (change(inputs[0]),))
    try:
        yield
    finally:
        hook.remove()


def _transform_key(layer_name: str, size: int) -> str:
    return f"{layer_name.replace('.', '-')}-{size}"


def _wire_skeleton(
    nodes: Sequence[Node],
    skeleton_layer: Callable[[LayerSpec, LayerPolicy, bool, bool], Layer],
    layers: tuple[LayerSpec, ...],
    policies: tuple[LayerPolicy, ...],
    learns_steps: bool,
    training: bool,
) -> WiredNetwork:
    """A network of layers without weights, to be called with those of a subnet."""
    pairs = zip(layers, policies, strict=True)
    return WiredNetwork(nodes, {one.name: skeleton_layer(one, policy, learns_steps, training) for one, policy in pairs})


def _meta_layer(spec: LayerSpec, policy: LayerPolicy, learns_step: bool, training: bool) -> Layer:
    """A layer without weights: torch allocates no memory on the device `meta`."""
    layer = Layer(spec, policy, device="meta").train(training)
    if learns_step:
        layer.learn_weight_step(MASTER_BITS)
    return layer
