"""Traced networks as safetensors files: the tensors, and the graph as JSON in the header.

Reading a file needs neither the code that made the network nor a new trace, and executes no code of the file.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from nas.compression.tracing.trace import TracedNetwork
from nas.tensor_files import open_tensors, save_tensors
from search_spaces.network_graph import NetworkGraph

# A file of every format lies under tests/fixtures/traced_network, and must stay readable.
_FORMAT = "nas-network-1"


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


def load_traced(path: Path) -> TracedNetwork:
    """Reads a network that `save_traced` wrote.

    Raises:
        ValueError: If the file is damaged, of another format, or has other tensors than its graph.
    """
    with open_tensors(path, "network") as (file, header):
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if header.get("format") != _FORMAT:
        raise ValueError(
            f"{path} must be a network in format {_FORMAT}, got a header of {str(header)[:60]}; "
            "delete it, then: nas train JOB"
        )
    graph = NetworkGraph.from_json(str(header.get("graph")))
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    trained = header.get("trained", [])
    if found != dict(graph.parameter_shapes) or not found.keys() >= set(trained):
        raise ValueError(f"{path} must have the tensors of its graph, name by name and of its shapes; it has others")
    for name in trained:
        tensors[name].requires_grad_()
    return TracedNetwork(graph, tensors)
