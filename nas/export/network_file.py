"""Exported networks as safetensors files, from which one function builds them again, to be run, trained or exported.

A file holds the tensors, the steps of rounded weights, and in its header, as JSON, how the network is built. Reading it
needs neither the code that made the network nor a supernet, and executes and unpickles nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from nas.export.agreement import ExportMismatch
from nas.export.stored_graph import StoredGraph
from nas.export.stored_layers import StoredLayers
from nas.export.stored_parts import NETWORK, STEPS
from nas.tasks.regression import RescaledNetwork
from nas.tensor_files import read_tensors, save_tensors
from nas.verification.typed_json import decode, encode
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.layer import Layer, WeightedOperator
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer
from search_spaces.elastic.wiring import WiredNetwork
from search_spaces.quoting import describe_error, list_names, quote, quote_name

FORMAT: Final = "nas-exported-network-1"
_REMEDY = "write it anew, by nas export KEY --safetensors or nas.store_network"
_SCALE, _OFFSET = "outputs/scale", "outputs/offset"
# what a file can say; other modules are code
_MODULES = {
    ActivationQuantizer,
    GraphNetwork,
    Layer,
    RescaledNetwork,
    WeightQuantizer,
    WeightedOperator,
    WiredNetwork,
    nn.BatchNorm2d,
    nn.Identity,
    nn.Module,
    nn.ModuleDict,
}


@dataclass(frozen=True)
class NetworkHeader:
    """How a network is built of the tensors of a file.

    Attributes:
        format: The format.
        notes: What else is to be known, such as the key of a candidate and its policies, by name.
        orders: The axes of a tensor from the outermost in memory to the innermost, by its name, where these are not in
            order: kernels sum in another order there.
        graph: The network as a graph; None if it is one of layers.
        layers: The network as layers; None if it is a graph.
    """

    format: Literal["nas-exported-network-1"]
    notes: Mapping[str, str]
    orders: Mapping[str, tuple[int, ...]]
    graph: StoredGraph | None
    layers: StoredLayers | None


@dataclass(frozen=True)
class StoredNetwork:
    """A network as a file holds it.

    Attributes:
        header: How it is built.
        tensors: Its tensors, of any shapes, by name.
    """

    header: NetworkHeader
    tensors: Mapping[str, Tensor]

    def save(self, path: Path) -> None:
        """Writes the file atomically.

        Raises:
            OSError: If it cannot be written.
        """
        save_tensors(path, self.tensors, encode(self.header))

    def build(self) -> nn.Module:
        """The network, calibrated, in evaluation mode, and with tensors of its own.

        Raises:
            ValueError: If header and tensors do not fit.
        """
        tensors = {name: tensor.clone() for name, tensor in self.tensors.items()}
        for name, order in self.header.orders.items():
            if name not in tensors or sorted(order) != [*range(tensors[name].dim())]:
                raise ValueError(f"an order has each axis of a tensor once, got {order} for {quote_name(name)}")
            inverse = sorted(range(len(order)), key=order.__getitem__)
            tensors[name] = tensors[name].permute(order).clone(memory_format=torch.contiguous_format).permute(inverse)
        scaling = [tensors.pop(name) for name in (_OFFSET, _SCALE) if name in tensors]
        forms = [form for form in (self.header.graph, self.header.layers) if form is not None]
        if len(forms) != 1 or len(scaling) not in (0, 2):
            raise ValueError("a network is either a graph or layers, and its outputs have offset and scale, or neither")
        rounded = {f"{STEPS}{name}" for form in forms for name in form.list_rounded()}
        if others := [name for name in tensors if not name.startswith(NETWORK) and name not in rounded]:
            raise ValueError(f"it has {list_names(others)}, which no part of the network reads")
        network = forms[0].build(tensors)
        return _rescale(network, *scaling) if scaling else network


def store_network(network: nn.Module, inputs: Tensor, notes: Mapping[str, str] | None = None) -> StoredNetwork:
    """A network as a file holds it, once it was built of that and seen to compute the same.

    Args:
        network: A calibrated network in evaluation mode: what `CandidateRealizer.realize` or `load_network` gives, as
            it is or trained further.
        inputs: Inputs of the network on which both are compared, shape (n, ...), at least a batch where it runs at one
            alone.
        notes: What else is to be known, by name.

    Raises:
        ExportMismatch: If an output is another one, even by a bit.
        ValueError: If the network is in training, is not calibrated, has several inputs, or needs code that is not of
            this engine.
    """
    _check_modules(network)
    inner = network.network if isinstance(network, RescaledNetwork) else network
    graph = layers = None
    if isinstance(inner, GraphNetwork):
        graph, tensors = StoredGraph.of(inner)
        if len(inner.graph.inputs) != 1:
            raise ValueError(f"a network of one input is stored, and this one has {len(inner.graph.inputs)}")
        inputs = inputs if inner.graph.batch is None else inputs[: inner.graph.batch]
    elif isinstance(inner, WiredNetwork):
        layers, tensors = StoredLayers.of(inner)
    else:
        raise ValueError(f"a network of nas is stored, got {type(inner).__name__}")
    if isinstance(network, RescaledNetwork):
        tensors |= {_OFFSET: network.offset, _SCALE: network.scale}
    orders = {name: order for name, tensor in tensors.items() if (order := _find_order(tensor))}
    kept = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}  # some share their memory
    stored = StoredNetwork(NetworkHeader(FORMAT, dict(notes or {}), orders, graph, layers), kept)
    with torch.no_grad():
        computed = [pytree.tree_leaves(one(inputs)) for one in (network, stored.build().to(inputs.device))]
    if not all(torch.equal(*pair) for pair in zip(*computed, strict=True)):
        raise ExportMismatch("a network that is built of its file must compute what it does, and gives other outputs")
    return stored


def load_network(path: Path | str) -> nn.Module:
    """Builds the network of a file that `nas export KEY --safetensors` wrote.

    On the kind of processor and version of torch of the export it gives the outputs that were measured, bit for bit.
    Weights are stored as they are, not as codes, so it can be trained further; it rounds them in the steps of the file.

    Args:
        path: The file.

    Returns:
        The network, calibrated and in evaluation mode, from inputs to outputs.

    Raises:
        ValueError: If the file is damaged, of another format, or needs an operator of a package that is not installed.
        OSError: If it is missing or cannot be read.
    """
    path = Path(path)
    stored = read_tensors(path, "network", _REMEDY)
    if stored.header.get("format") != FORMAT:
        raise ValueError(f"{path} must be a network in format {FORMAT}, got {_describe(stored.header)}; {_REMEDY}")
    if not stored.has_digest:
        raise ValueError(f"{path} is of format {FORMAT} and has no digest of that; {_REMEDY}")
    try:
        return StoredNetwork(decode(json.dumps(stored.header), NetworkHeader), stored.tensors).build()
    except (
        ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, AssertionError
    ) as error:  # fmt: skip
        raise ValueError(f"no network can be built of {path}: {describe_error(error)}; {_REMEDY}") from error


def _check_modules(network: nn.Module) -> None:
    """Raises ValueError unless the network is one that a file can say, in evaluation mode."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for name, module in network.named_modules():
        if type(module) not in _MODULES:
            raise ValueError(f"{quote_name(name) or 'it'} is {type(module).__name__}, which no file of a network holds")
        if module.training and module in (network, *norms):  # others compute the same in training
            raise ValueError("a network is stored in evaluation mode, and this one is in training; call eval()")


def _find_order(tensor: Tensor) -> tuple[int, ...]:
    """The axes of a tensor of any shape from the outermost in memory to the innermost; empty if these are in order."""
    strides = tensor.stride()
    # of two axes with one stride, an axis of size 1 is the inner one
    order = tuple(sorted(range(tensor.dim()), key=lambda axis: (-strides[axis], tensor.shape[axis] == 1)))
    return () if order == tuple(range(tensor.dim())) else order


def _rescale(network: nn.Module, offset: Tensor, scale: Tensor) -> RescaledNetwork:
    """The network with outputs in the unit of labels; ValueError if these are no such numbers, shape (outputs,)."""
    for tensor in (offset, scale):
        if not (tensor.dim() == 1 and tensor.shape == offset.shape and tensor.is_floating_point()):
            raise ValueError("offset and scale of the outputs must be a number for each of them")
        if not bool(tensor.isfinite().all()):
            raise ValueError("offset and scale of the outputs must be finite numbers")
    return RescaledNetwork(network, offset, scale)


def _describe(header: Mapping[str, Any]) -> str:
    """What a file of another format says of itself."""
    return f"one in {quote(header['format'])}" if "format" in header else "a file of another program"
