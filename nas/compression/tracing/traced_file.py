"""Traced networks as safetensors files: the tensors, and the graph as JSON in the header.

Reading one takes neither the code that made the network nor a trace of it, and executes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nas.compression.tracing.trace import TracedNetwork
from nas.files import replacing
from search_spaces.network_graph import NetworkGraph

_FORMAT = "nas-network-1"
_HEADER = "nas"


def save_traced(path: Path, traced: TracedNetwork) -> None:
    """Writes a traced network atomically."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in traced.parameters.items()}
    trained = [name for name, tensor in traced.parameters.items() if tensor.requires_grad]
    header = {"format": _FORMAT, "graph": traced.graph.to_json(), "trained": trained}
    with replacing(path) as draft:
        try:
            save_file(tensors, draft, {_HEADER: json.dumps(header)})
        except SafetensorError as error:
            raise OSError(f"could not write {path}: {error}") from error


def load_traced(path: Path) -> TracedNetwork:
    """Reads what `save_traced` wrote.

    Raises:
        ValueError: If the file is damaged or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"cannot read the network {path}: {error}; delete it and start again") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError(f"{path} must be a network in format {_FORMAT}, got a header of {str(header)[:60]}")
    graph = NetworkGraph.from_json(str(header.get("graph")))
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    trained = header.get("trained", [])
    if found != dict(graph.parameter_shapes) or not found.keys() >= set(trained):
        raise ValueError(f"{path} must have the tensors of its graph, name by name and of its shapes; it has others")
    for name in trained:
        tensors[name].requires_grad_()
    return TracedNetwork(graph, tensors)
