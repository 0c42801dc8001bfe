"""Traces a torch module into a graph of operators, by `torch.export`.

The exported program holds all operations that run, whatever classes the modules have. An operation that no operator
describes becomes an opaque node, which calls the same operation of torch.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

from nas.compression.tracing.program_graph import read_program
from nas.logs import quiet
from nas.user_code import locate_error
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.families.given_widths import GroupWidths
from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.opaque import Constant, Opaque
from search_spaces.quoting import cut, join_lines

_MOST_SAID = 300  # characters of a reason, in which torch quotes the code of the module
_RELATIVE_TOLERANCE = 1e-4  # of the largest output: sums in another order differ by less


class TraceError(ValueError):
    """A module that cannot be traced."""


@dataclass(frozen=True)
class TracedNetwork:
    """A given network as a graph with its tensors.

    Attributes:
        graph: The network graph.
        parameters: The stored tensors by their names in the graph; parameters of the module are shared, not copied.
        why_fixed: The reason why the network runs at one batch size only; empty if it runs at any.
    """

    graph: NetworkGraph
    parameters: Mapping[str, Tensor]
    why_fixed: str = ""

    def network(self) -> GraphNetwork:
        """The network as a module in evaluation mode, which shares the tensors."""
        return GraphNetwork(self.graph, self.parameters).eval()

    def space(self, name: str, widths: GroupWidths = (), blocks: Collection[str] = ()) -> GivenSpace:
        """The search space of this network.

        Args:
            name: Name of the space.
            widths: For each group of channels the numbers that may be kept, rising; empty to keep all channels.
            blocks: Names of the blocks that may be left out.

        Raises:
            ValueError: As `GivenSpace` describes.
        """
        stored = {
            name: StoredTensor(tensor.numel() * tensor.element_size(), tensor.numel() * tensor.requires_grad)
            for name, tensor in self.parameters.items()
        }
        return GivenSpace(name, self.graph, stored, widths, blocks)

    def digest(self) -> str:
        """A hash of the graph and of all tensors, as hexadecimal digits."""
        found = hashlib.sha256(self.graph.to_json().encode())
        for name, tensor in sorted(self.parameters.items()):
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    def list_unsound_tensors(self) -> list[str]:
        """Names of the tensors that hold NaN, or infinities where these are no constants, as those of a mask are."""
        constants = {
            name for node in self.graph.nodes if isinstance(node.operator, Constant) for name in node.parameters
        }
        return [
            name
            for name, tensor in self.parameters.items()
            if not bool((~tensor.isnan() if name in constants else tensor.isfinite()).all())
        ]

    @property
    def opaque(self) -> Counter[str]:
        """The number of opaque nodes by their torch operation; they run in torch at full precision."""
        return Counter(node.operator.target for node in self.graph.nodes if isinstance(node.operator, Opaque))


def trace(module: nn.Module, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> TracedNetwork:
    """Traces a module in evaluation mode.

    The outputs of the network are compared with those of the module, at another batch size than it was traced with. If
    the module cannot be traced for all batch sizes, the network is fixed to the batch size of the examples.

    Args:
        module: Any module; it is not changed.
        inputs: Examples of the arguments of `forward`, each of shape (batch, ...), in order or by name.

    Raises:
        TraceError: If the examples differ in batch size, the module cannot be exported (the line of its code is named)
            or changes its own tensors, its outputs are not finite, or those of the network and the module differ by
            more than 1e-4 of the largest.
    """
    given = [*(inputs.values() if isinstance(inputs, Mapping) else inputs)]
    if not given or any(tensor.dim() == 0 or len(tensor) != len(given[0]) for tensor in given):
        raise TraceError(
            f"examples must be tensors of one batch size, got shapes {[tuple(tensor.shape) for tensor in given]}"
        )
    # by part, as a frozen part of a module in training is in evaluation mode
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings(), quiet("torch._subclasses.fake_tensor"):
            warnings.simplefilter("ignore")
            return _trace(module, inputs)
    finally:
        for part in training:
            part.training = True


def _trace(module: nn.Module, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> TracedNetwork:
    """The network for any batch size or, if that fails, for the batch size of the inputs."""
    two, three = (_repeated(inputs, times) for times in (2, 3))  # torch.export takes a batch of 1 for a fixed size
    try:
        traced = TracedNetwork(*_read(_export(module, two, any_batch=True)))
        _check(traced, module, three)
        return traced
    except Exception as any_batch:  # torch and the module may raise any error
        try:
            traced = TracedNetwork(*_read(_export(module, inputs, any_batch=False)), _describe_failure(any_batch))
            _check(traced, module, inputs)
        except Exception as fixed:
            raise TraceError(_describe_failure(fixed)) from any_batch
        return traced


def _read(program: ExportedProgram) -> tuple[NetworkGraph, Mapping[str, Tensor]]:
    """The graph and the tensors of a program."""
    try:
        return read_program(program)
    except ValueError as error:
        raise TraceError(str(error)) from error


def _export(module: nn.Module, inputs: Sequence[Tensor] | Mapping[str, Tensor], any_batch: bool) -> ExportedProgram:
    """The exported program in functional form: without views, and without changes of tensors in place.

    Where it fails, torch logs and prints whole graphs besides its error, which is all that a user is to see.
    """
    axes = {0: Dim.DYNAMIC if any_batch else Dim.STATIC}
    unseen = io.StringIO()
    with quiet("torch.fx.experimental.symbolic_shapes"), redirect_stdout(unseen), redirect_stderr(unseen):
        if isinstance(inputs, Mapping):
            shapes = dict.fromkeys(inputs, axes)
            program = torch.export.export(module, (), dict(inputs), dynamic_shapes=shapes, strict=False)
        else:
            program = torch.export.export(module, (*inputs,), dynamic_shapes=[axes] * len(inputs), strict=False)
        return program.run_decompositions({})


def _check(traced: TracedNetwork, module: nn.Module, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> None:
    """Raises TraceError unless the graph gives what the module gives."""
    expected = module(**inputs) if isinstance(inputs, Mapping) else module(*inputs)
    tensors = [value for value in pytree.tree_leaves(expected) if isinstance(value, Tensor)]
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        unsound = [name for name, tensor in module.state_dict().items() if not bool(tensor.isfinite().all())]
        reason = f", as those of {unsound[0]}" if unsound else ""
        raise TraceError(f"the outputs of a module must be finite numbers, got others for its examples{reason}")
    found = traced.network()(*(inputs.values() if isinstance(inputs, Mapping) else inputs))
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


def _describe_failure(error: Exception) -> str:
    """What stops a trace, in one line: what this module says, or what torch says of a line of the module's code."""
    if isinstance(error, TraceError):
        return str(error)
    place = locate_error(error, "torch")
    said = join_lines(str(error).strip().split("\n\n")[0])  # torch goes on with advice on its own settings
    got = f"{type(error).__name__}{f' at {place}' if place else ''}"
    return f"the module must be exported by torch.export, got {got}{f': {cut(said, _MOST_SAID)}' if said else ''}"
