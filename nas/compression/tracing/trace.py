"""Any torch module as a graph of operators, by `torch.export`.

The exported program is what runs, so nothing of it can be missed: a layer is an operation, its parameter and the place
where it is called, whatever class of modules it was written in. What no operator describes becomes an opaque node,
which calls the same operation of torch.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

from nas.compression.tracing.program_graph import read_program
from nas.logs import quiet
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.opaque import Opaque

_RELATIVE_TOLERANCE = 1e-4  # of the largest output: sums in another order differ by less


class TraceError(ValueError):
    """A module that cannot be traced."""


@dataclass(frozen=True)
class TracedNetwork:
    """A given network as a graph with its tensors.

    Attributes:
        graph: What it computes.
        parameters: The stored tensors, by the names that the nodes use; those of the module itself where it has them.
        why_fixed: Where it runs at one batch size alone, why it could not be read for any.
    """

    graph: NetworkGraph
    parameters: Mapping[str, Tensor]
    why_fixed: str = ""

    def network(self) -> GraphNetwork:
        """The network as a module, which shares the tensors."""
        return GraphNetwork(self.graph, self.parameters).eval()

    def space(self, name: str) -> GivenSpace:
        """The space that has this network alone, under a name for it."""
        stored = {
            name: StoredTensor(tensor.numel() * tensor.element_size(), tensor.numel() * tensor.requires_grad)
            for name, tensor in self.parameters.items()
        }
        return GivenSpace(name, self.graph, stored)

    def digest(self) -> str:
        """A hash of the graph and of all tensors: equal for networks that compute the same in the same way."""
        found = hashlib.sha256(self.graph.to_json().encode())
        for name, tensor in sorted(self.parameters.items()):
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    @property
    def opaque(self) -> Counter[str]:
        """How often each operation of torch occurs that is not understood; it runs as it is, at full precision."""
        return Counter(node.operator.target for node in self.graph.nodes if isinstance(node.operator, Opaque))


def trace(module: nn.Module, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> TracedNetwork:
    """Reads a module in evaluation mode.

    Args:
        module: Any module; it is not changed.
        inputs: Examples, each of shape (batch, ...), for the arguments of `forward` in turn or by name.

    Returns:
        The network, which gives what the module gives: that is checked, and at another batch size than that with which
        it was read. One that cannot be read for any batch size is fixed to that of the example, and says why.

    Raises:
        TraceError: If it cannot be exported, or changes its own tensors, or does not give what the module gives.
    """
    given = [*(inputs.values() if isinstance(inputs, Mapping) else inputs)]
    if not given or any(tensor.dim() == 0 or len(tensor) != len(given[0]) for tensor in given):
        raise TraceError(
            f"examples must be tensors of one batch size, got shapes {[tuple(tensor.shape) for tensor in given]}"
        )
    training = [part for part in module.modules() if part.training]  # some may be frozen in a module that trains
    module.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings(), quiet("torch._subclasses.fake_tensor"):
            warnings.simplefilter("ignore")
            return _trace(module, inputs)
    finally:
        for part in training:
            part.training = True


def _trace(module: nn.Module, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> TracedNetwork:
    two, three = (_repeated(inputs, times) for times in (2, 3))  # one input would be taken for a fixed size
    try:
        traced = TracedNetwork(*read_program(_export(module, two, any_batch=True)))
        _check(traced, module, three)
        return traced
    except Exception as any_batch:  # whatever torch or the module raise
        try:
            traced = TracedNetwork(*read_program(_export(module, inputs, any_batch=False)), _one_line(any_batch))
            _check(traced, module, inputs)
        except Exception as fixed:
            raise TraceError(f"the module must be exported by torch.export, got {_one_line(fixed)}") from any_batch
        return traced


def _export(module: nn.Module, inputs: Sequence[Tensor] | Mapping[str, Tensor], any_batch: bool) -> ExportedProgram:
    """A functional program: views and changes in place have become plain operations."""
    axes = {0: Dim.DYNAMIC if any_batch else Dim.STATIC}
    if isinstance(inputs, Mapping):
        program = torch.export.export(
            module, (), dict(inputs), dynamic_shapes=dict.fromkeys(inputs, axes), strict=False
        )
    else:
        program = torch.export.export(module, (*inputs,), dynamic_shapes=[axes] * len(inputs), strict=False)
    return program.run_decompositions({})


def _check(traced: TracedNetwork, module: nn.Module, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> None:
    """Raises TraceError unless the graph gives what the module gives."""
    expected = module(**inputs) if isinstance(inputs, Mapping) else module(*inputs)
    found = traced.network()(*(inputs.values() if isinstance(inputs, Mapping) else inputs))
    tensors = [value for value in pytree.tree_leaves(expected) if isinstance(value, Tensor)]
    for ours, theirs in zip(found if isinstance(found, tuple) else (found,), tensors, strict=True):
        difference = float((ours.double() - theirs.double()).abs().max() / theirs.abs().max().clamp_min(1e-12))
        if not difference <= _RELATIVE_TOLERANCE:
            raise TraceError(
                f"the graph must give what the module gives within {_RELATIVE_TOLERANCE:g} relative, got "
                f"{difference:.2g}; a module that draws at random in evaluation cannot be traced"
            )


def _repeated(inputs: Sequence[Tensor] | Mapping[str, Tensor], size: int) -> Any:
    """The examples, cut or repeated to a batch size."""
    if isinstance(inputs, Mapping):
        return dict(zip(inputs, _repeated([*inputs.values()], size), strict=True))
    return [torch.cat([tensor] * -(-size // len(tensor)))[:size] for tensor in inputs]


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
