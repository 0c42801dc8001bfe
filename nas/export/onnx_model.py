"""Writes plain networks as ONNX models."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.export.integer_form import drop_repeated_rounding, store_integer_biases
from nas.export.onnx_layer import OPSET, OnnxLayer
from nas.export.opset import lower_opset
from nas.export.runtime_form import (
    check_symmetric,
    pool_globally,
    shield_float_layers,
    shorten,
    store_wide_codes_unsigned,
    to_bytes,
    unshare_zero_points,
)
from nas.export.runtimes import RUNTIMES
from nas.export.target import DEFAULT_TARGET, ExportTarget
from nas.export.weight_storage import pack_weights
from nas.files import atomic_write
from nas.logs import quiet
from nas.verification.sessions import open_session as open_session
from nas.verification.sessions import run_session as run_session
from search_spaces.elastic.layer import Layer

# what torch's exporter says of an operation that it does not know
_UNKNOWN = re.compile(r"translating node %([\w.]+) .*?target=torch\.ops\.([\w.]+)", re.DOTALL)
BATCH_AXIS = {0: torch.export.Dim("batch")}


def to_onnx(network: nn.Module, input_shape: tuple[int, int, int], target: ExportTarget = DEFAULT_TARGET) -> bytes:
    """The ONNX model of a network: input `images` (batch, channels, height, width), output `logits` (batch, classes).

    Args:
        network: A calibrated network in evaluation mode; it is not changed.
        input_shape: Channels, height and width of an image.
        target: What the file is for.

    Raises:
        ValueError: If an operator needs a newer opset than the target can load.
    """
    examples = (torch.zeros(2, *input_shape),)
    return write_onnx(_build_onnx_form(network), examples, (BATCH_AXIS,), ("images",), ("logits",), target)


def write_onnx(
    form: nn.Module,
    examples: Sequence[Tensor],
    dynamic_shapes: tuple[Any, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
    target: ExportTarget,
) -> bytes:
    """The ONNX model of a module whose layers were replaced by their ONNX forms.

    Args:
        form: The module, in evaluation mode.
        examples: An example of shape (batch, ...) for each input, with a batch of two or more.
        dynamic_shapes: `BATCH_AXIS` for each argument of `forward`, nested as `torch.export` expects.
        input_names: Names of the inputs.
        output_names: Names of the outputs.
        target: What the file is for. Without a batch of its own, the model can be run at any.

    Raises:
        ValueError: If an operation has no form in ONNX, or an operator needs a newer opset than the target can load.
    """
    if target.batch is not None:
        examples = [example[:1].expand(target.batch, *example.shape[1:]).contiguous() for example in examples]
    with warnings.catch_warnings(), quiet("torch.onnx"), _naming_operations():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            form,
            (*examples,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[*input_names],
            output_names=[*output_names],
            dynamic_shapes=dynamic_shapes if target.batch is None else None,
            verbose=False,
        )
    assert program is not None
    model = program.model
    drop_repeated_rounding(model.graph)
    shorten(model.graph)
    if target.runtime == "onnxruntime":
        store_integer_biases(model.graph)
    pool_globally(model.graph)
    shield_float_layers(model.graph)
    if RUNTIMES[target.runtime].symmetric:
        check_symmetric(model.graph, target.runtime)
    else:
        store_wide_codes_unsigned(model.graph)
    if target.runtime == "openvino":
        unshare_zero_points(model.graph)
    if target.storage == "packed":
        pack_weights(model.graph, target)
    return lower_opset(to_bytes(model), target)


@contextmanager
def _naming_operations() -> Iterator[None]:
    """Says of an operation that torch's exporter cannot write which one it is, and in which part of the network."""
    try:
        yield
    except torch.onnx.OnnxExporterError as error:
        causes, cause = list[str](), error.__cause__
        while cause is not None:
            causes, cause = [*causes, str(cause)], cause.__cause__
        found = next(filter(None, map(_UNKNOWN.search, (str(error), *causes))), None)
        what = "a network of these layers" if found is None else f"{found[2]} (node {found[1]})"
        raise ValueError(
            f"{what} has no form in ONNX of opset {OPSET}, so it cannot be exported; replace it in the network, or "
            "take a candidate without it"
        ) from error


def save_onnx(model: bytes, path: Path) -> None:
    """Writes a model atomically.

    Args:
        model: A result of `to_onnx`.
        path: The file; an existing one is replaced.
    """
    with atomic_write(path) as draft:
        draft.write_bytes(model)


def _build_onnx_form(network: nn.Module) -> nn.Module:
    """A copy of a network in which every `Layer` is replaced by its `OnnxLayer`."""
    form = copy.deepcopy(network).eval()
    layers = [(name, module) for name, module in form.named_modules() if isinstance(module, Layer)]
    for name, layer in layers:
        parent, _, child = name.rpartition(".")
        setattr(form.get_submodule(parent), child, OnnxLayer(layer))
    return form
