"""Checks that an exported model gives in onnxruntime what the network gives in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.tasks.regression import RescaledNetwork
from nas.verification.parity import Reference
from nas.verification.sessions import run_session
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer, activation_grid

if TYPE_CHECKING:
    import onnxruntime

_NUDGE = 1e-6  # relative; moves inputs by little more than single precision tells apart
_MOVED_STEPS = 2.0  # by which a network that does not amplify its inputs cannot move


class ExportMismatch(ValueError):
    """The exported model and the network differ by more than rounding."""


def check_agreement(network: nn.Module, session: onnxruntime.InferenceSession, inputs: Tensor) -> None:
    """Compares the first output of a network with that of its exported model.

    Args:
        network: The network that was exported, in evaluation mode.
        session: A session of onnxruntime on the exported model.
        inputs: Inputs to compare on, shape (batch, ...).

    Raises:
        ExportMismatch: If an output of a network in floating point differs by more than 1e-4 of the farthest from the
            median, or the outputs of a quantised one by more than 2 steps on average or 16 at most, of 255 over their
            range, or of the quantiser that rounds them where those are larger. Where they have few codes, the average
            is also held to half of their mean deviation from the median, beyond one code of a single output, and the
            maximum to a code and a quarter of their range. It is raised, too, if outputs are not finite, or all the
            same, with which everything could agree. Where it is the network that passes on the least difference many
            times as large, the error says so.
    """
    # what is rounded of a rescaled network is smaller than its outputs, which are far from 0
    compared = network.network if isinstance(network, RescaledNetwork) else network
    reference = compute_reference(compared, inputs)
    given = reference.outputs
    if not reference.find_fault():  # else there is nothing to be compared, and nothing is run
        given = run_session(session, inputs.numpy())
        if isinstance(network, RescaledNetwork):
            given = network.standardize(torch.from_numpy(given)).numpy()
    agreement = reference.compare(given, exact=False)
    if agreement.fault:
        raise ExportMismatch(agreement.fault + _describe_amplification(compared, inputs, reference))


def check_openvino_agreement(network: nn.Module, session: onnxruntime.InferenceSession, inputs: Tensor) -> None:
    """Compares a network with its exported model as `check_agreement` does, and names OpenVINO in errors.

    Args:
        network: The network that was exported, in evaluation mode.
        session: A result of `open_openvino`.
        inputs: Inputs to compare on, shape (batch, ...).

    Raises:
        ExportMismatch: If they differ by more than rounding.
    """
    try:
        check_agreement(network, session, inputs)
    except ExportMismatch as error:
        raise ExportMismatch(str(error).replace("onnxruntime", "OpenVINO")) from error


def compute_reference(network: nn.Module, inputs: Tensor) -> Reference:
    """What a network computes of inputs, with which the outputs of its exported model are compared.

    Args:
        network: The network, in evaluation mode.
        inputs: The inputs, shape (batch, ...).
    """
    outputs, step = _run(network, inputs)
    if isinstance(network, RescaledNetwork):
        _, step = _run(network.network, inputs)
        step *= float(network.scale.abs().max())
    return Reference(outputs, _is_quantized(network), step or None)


def _run(network: nn.Module, inputs: Tensor) -> tuple[NDArray[np.float32], float]:
    """The first output of a network, and the step of the quantiser that rounded it; 0 if none did."""
    latest: tuple[ActivationQuantizer, Tensor] | None = None

    def see(quantizer: nn.Module, _: Any, rounded: Tensor) -> None:
        nonlocal latest
        assert isinstance(quantizer, ActivationQuantizer)
        latest = quantizer, rounded

    quantizers = [module for module in network.modules() if isinstance(module, ActivationQuantizer)]
    hooks = [quantizer.register_forward_hook(see) for quantizer in quantizers]
    try:
        with torch.no_grad():
            found = network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    output: Tensor = found[0] if isinstance(found, tuple) else found
    grid_step = 0.0
    if latest is not None and _shares_values(latest[1], output):
        quantizer = latest[0]
        if quantizer.range is not None and quantizer.bits < FULL_PRECISION_BITS:
            grid_step, _ = activation_grid(*quantizer.range, quantizer.bits)
    return output.numpy(), grid_step


def _shares_values(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors, of any shapes, are the same memory."""
    return one.data_ptr() == other.data_ptr() and one.numel() == other.numel()


def _describe_amplification(network: nn.Module, inputs: Tensor, reference: Reference) -> str:
    """What to do where torch itself computes other outputs if inputs change by almost nothing; empty where not."""
    if reference.find_fault() or not reference.quantized or not inputs.is_floating_point():
        return ""
    moved = np.abs(_run(network, inputs * (1 + _NUDGE))[0] - reference.outputs) / reference.unit
    if not (moved.max() > _MOVED_STEPS or moved.mean() > reference.bound_steps()[0]):
        return ""
    return (
        f"; in torch alone, inputs that are larger by a factor of 1 + {_NUDGE:g} move outputs by {moved.mean():.2f} "
        f"and {moved.max():.1f} steps, so this network amplifies whatever a runtime rounds otherwise, and needs more "
        "bits of activations, or more training"
    )


def _is_quantized(network: nn.Module) -> bool:
    """Whether a quantiser of the network rounds to fewer bits than floating point has."""
    quantizers = (module for module in network.modules() if isinstance(module, WeightQuantizer | ActivationQuantizer))
    return any(quantizer.bits < FULL_PRECISION_BITS for quantizer in quantizers)
