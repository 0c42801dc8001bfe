"""Networks as programs of `torch.export`, which torch runs without this program."""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn

from nas.export.agreement import ExportMismatch
from nas.logs import quiet
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.quoting import describe_error


def make_program(network: nn.Module, inputs: Tensor, batch: int | None = None) -> bytes:
    """A network as a program that `torch.export.load` reads, once it was seen to compute the same.

    Args:
        network: A calibrated network in evaluation mode, from inputs to outputs.
        inputs: Inputs of the network on which both are compared, two or more, shape (n, ...).
        batch: The batch that the program runs at; None is any.

    Returns:
        The content of a file, `.pt2`.

    Raises:
        ExportMismatch: If an output of the program is another one, even by a bit.
        ValueError: If torch cannot make a program of the network.
    """
    example = inputs[:2] if batch is None else inputs[:1].expand(batch, *inputs.shape[1:]).contiguous()
    axes = None if batch is not None else {0: torch.export.Dim("batch")}
    # a network graph takes all inputs by one argument, *inputs
    shapes = None if axes is None else (((axes,),) if isinstance(network, GraphNetwork) else (axes,))
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings(), quiet("torch"):
        warnings.simplefilter("ignore")
        try:
            torch.export.save(torch.export.export(network, (example,), dynamic_shapes=shapes, strict=False), buffer)
        except Exception as error:  # of torch.export, whose errors share no base
            raise ValueError(
                f"torch.export makes no program of this network ({describe_error(error)}); leave out --torch"
            ) from error
        buffer.seek(0)
        read = torch.export.load(buffer).module()
        compared = inputs if batch is None else example
        if not torch.equal(read(compared), network(compared)):
            raise ExportMismatch(
                "a program of torch.export must compute what the network does, and gives other outputs"
            )
    return buffer.getvalue()
