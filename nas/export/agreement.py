"""Checks that an exported model gives in onnxruntime what the network gives in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.export.onnx_model import run_session
from nas.tasks.regression import RescaledNetwork
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer, activation_grid

if TYPE_CHECKING:
    import onnxruntime

_FLOAT_TOLERANCE = 1e-4  # relative to the largest logit; sums in another order differ by less
# For quantised networks, in steps of the outputs. Runtimes round the bias to a multiple of the product of the steps of
# input and weight, so about one activation of a thousand is rounded to the neighbouring code.
_MEAN_STEPS, _MAX_STEPS = 2.0, 16.0
# Of few codes, that is all there is: steps do not bound what differs by more than the outputs do among themselves. An
# answer that is constant, flipped or shuffled is off by their mean deviation or more; of the networks at 2 to 8 bits
# that were tried, right files by a fifth at most.
_SHARE_OF_DEVIATION = 0.5
_SHARE_OF_RANGE = 0.25
_NUDGE = 1e-6  # relative; moves inputs by little more than single precision tells apart
_SMALLEST = 1e-30  # avoids a division by 0: where all logits are equal, any difference is too large


class ExportMismatch(ValueError):
    """The exported model and the network differ by more than rounding."""


def check_agreement(network: nn.Module, session: onnxruntime.InferenceSession, inputs: Tensor) -> None:
    """Compares the first output of a network with that of its exported model.

    Args:
        network: The network that was exported, in evaluation mode.
        session: A session of onnxruntime on the exported model.
        inputs: Inputs to compare on, shape (batch, ...).

    Raises:
        ExportMismatch: If an output of a network in floating point differs by more than 1e-4 of the largest, or the
            outputs of a quantised one by more than 2 steps on average or 16 at most, of 255 over their range, or of
            the quantiser that rounds them where those are larger. Where they have few codes, the average is also held
            to half of their mean deviation from the median, beyond one code of a single output, and the maximum to a
            code and a quarter of their range. It is raised, too, if outputs are not finite, or all the same, with
            which everything could agree. Where it is the network that passes on the least difference many times as
            large, the error says so.
    """
    # what is rounded of a rescaled network is smaller than its outputs, which are far from 0
    compared = network.network if isinstance(network, RescaledNetwork) else network
    expected, grid_step = _run(compared, inputs)
    if not np.isfinite(expected).all():
        raise ExportMismatch("the outputs of a network must be finite to be compared, and torch computes others")
    if expected.size != 1 and not np.ptp(expected) > 0:
        raise ExportMismatch(
            f"the outputs of a network must differ to be compared, and all are {expected.flat[0]:.4g}: it has collapsed"
        )
    given = run_session(session, inputs.numpy())
    if isinstance(network, RescaledNetwork):
        given = network.standardize(torch.from_numpy(given)).numpy()
    difference = np.abs(given - expected)
    if not _is_quantized(network):
        worst = float(difference.max() / max(np.abs(expected).max(), _SMALLEST))
        if not worst <= _FLOAT_TOLERANCE:  # true for NaN, too
            raise ExportMismatch(
                f"onnxruntime must agree with torch within {_FLOAT_TOLERANCE:g} relative, got {worst:.2g}"
            )
        return
    # outputs on a grid cannot agree within less than its step, which few of them may not show
    step = max(float(np.ptp(expected)) / 255, grid_step, _SMALLEST)
    steps = difference / step
    most_mean, most = _bound_steps(expected, step, grid_step)
    if not (steps.mean() <= most_mean and steps.max() <= most):
        raise ExportMismatch(
            f"onnxruntime must agree with torch within {most_mean:.3g} quantisation steps on average and "
            f"{most:.3g} at most, got {steps.mean():.2f} and {steps.max():.1f}"
            + _describe_amplification(compared, inputs, expected, step, most_mean)
        )


def _bound_steps(expected: NDArray[np.float32], step: float, grid_step: float) -> tuple[float, float]:
    """The steps by which outputs of a quantised network may differ on average, and at most."""
    deviation = float(np.abs(expected - np.median(expected)).mean()) / step
    # a code of one output may always be the neighbouring one
    mean = max(_SHARE_OF_DEVIATION * deviation, 1 / expected.size)
    largest = (_SHARE_OF_RANGE * float(np.ptp(expected)) + grid_step) / step
    return min(_MEAN_STEPS, mean), min(_MAX_STEPS, largest)


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
    if latest is not None and latest[1] is output:
        quantizer = latest[0]
        if quantizer.range is not None and quantizer.bits < FULL_PRECISION_BITS:
            grid_step, _ = activation_grid(*quantizer.range, quantizer.bits)
    return output.numpy(), grid_step


def _describe_amplification(
    network: nn.Module, inputs: Tensor, expected: NDArray[np.float32], step: float, most_mean: float
) -> str:
    """What to do where torch itself computes other outputs if inputs change by almost nothing; empty where not."""
    if not inputs.is_floating_point():
        return ""
    moved = np.abs(_run(network, inputs * (1 + _NUDGE))[0] - expected) / step
    if not (moved.max() > _MEAN_STEPS or moved.mean() > most_mean):
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
