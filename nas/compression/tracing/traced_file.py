"""Traced networks as safetensors files: the tensors, and the graph as JSON in the header.

Reading a file needs neither the code that made the network nor a new trace, and executes no code of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.compression.tracing.trace import TracedNetwork
from nas.tensor_files import read_tensors, save_tensors
from search_spaces.network_graph import NetworkGraph
from search_spaces.quoting import describe_error, quote, quote_name

# A file of every format lies under tests/fixtures/traced_network, and must stay readable.
_FORMAT = "nas-network-2"
_WITHOUT_DIGEST = "nas-network-1"  # the format of before, whose files carry no digest
_OURS = "delete it, then: nas train JOB"  # the remedy for a file that a job has made


def save_traced(path: Path, traced: TracedNetwork) -> None:
    """Writes a traced network atomically.

    Args:
        path: The file.
        traced: The network.
    """
    tensors = {name: tensor.detach().clone() for name, tensor in traced.parameters.items()}  # some share their memory
    trained = [name for name, tensor in traced.parameters.items() if tensor.requires_grad]
    header = {"format": _FORMAT, "graph": traced.graph.to_json(), "trained": trained}
    save_tensors(path, tensors, header)


def load_traced(path: Path, remedy: str = _OURS) -> TracedNetwork:
    """Reads a network that `save_traced` wrote.

    Args:
        path: The file.
        remedy: What to do with a file that cannot be read, as the end of errors.

    Raises:
        ValueError: If the file is damaged, of another format, has other tensors than its graph, or a number is not
            finite.
        OSError: If the file is missing or cannot be read.
    """
    stored = read_tensors(path, "network", remedy)
    header, tensors = stored.header, stored.tensors
    if header.get("format") not in (_WITHOUT_DIGEST, _FORMAT):
        raise ValueError(
            f"{path} must be a network in format {_WITHOUT_DIGEST} or {_FORMAT}, got a header of {quote(header)}; "
            f"{remedy}"
        )
    if stored.has_digest != (header["format"] == _FORMAT):
        raise ValueError(f"{path} is of format {header['format']} and has no digest of that; {remedy}")
    graph, trained = _read_graph(path, header, remedy), header.get("trained")
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != dict(graph.parameter_shapes):
        raise ValueError(
            f"{path} must have the tensors of its graph, name by name and of its shapes; it has others; {remedy}"
        )
    floating = {name for name, tensor in tensors.items() if tensor.is_floating_point()}
    if not isinstance(trained, list) or not floating >= {*map(str, trained)}:
        raise ValueError(f"{path} must name its trained tensors, of floating point; got {quote(trained)}; {remedy}")
    for name in trained:
        tensors[name].requires_grad_()
    traced = TracedNetwork(graph, tensors)
    if unsound := traced.list_unsound_tensors():
        raise ValueError(f"{path}: weights must be finite numbers, got others in {quote_name(unsound[0])}; {remedy}")
    return traced


def _read_graph(path: Path, header: Mapping[str, Any], remedy: str) -> NetworkGraph:
    """The graph of a header, with the shapes of all its values."""
    text = header.get("graph")
    try:
        if not isinstance(text, str):
            raise ValueError(f"its graph must be a text, got {type(text).__name__}")
        graph = NetworkGraph.from_json(text)
        _ = graph.shapes, graph.parameter_shapes  # they refuse operators that do not fit together
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: {describe_error(error)}; {remedy}") from error
    return graph
