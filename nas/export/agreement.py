"""Checks that an exported model gives in onnxruntime what the network gives in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nas.export.onnx_model import run_session
from nas.tasks.regression import RescaledNetwork
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer

if TYPE_CHECKING:
    import onnxruntime

_FLOAT_TOLERANCE = 1e-4  # relative to the largest logit; sums in another order differ by less
# For quantised networks, in 255ths of the range of the logits. Runtimes round the bias to a multiple of the product of
# the steps of input and weight, so some activations are rounded to the neighbouring code.
_MEAN_STEPS, _MAX_STEPS = 2.0, 16.0
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
            outputs of a quantised one by more than 2 steps on average or 16 at most, of 255 over their range; or if
            outputs are not finite, or all the same, with which everything could agree.
    """
    with torch.no_grad():
        found = network(inputs)
    expected = (found[0] if isinstance(found, tuple) else found).numpy()
    if not np.isfinite(expected).all():
        raise ExportMismatch("the outputs of a network must be finite to be compared, and torch computes others")
    if expected.size != 1 and not np.ptp(expected) > 0:
        raise ExportMismatch(
            f"the outputs of a network must differ to be compared, and all are {expected.flat[0]:.4g}: it has collapsed"
        )
    given = run_session(session, inputs.numpy())
    if isinstance(network, RescaledNetwork):  # what is rounded is smaller than outputs that are far from 0
        given, expected = (network.standardize(torch.from_numpy(one)).numpy() for one in (given, expected))
    difference = np.abs(given - expected)
    if not _is_quantized(network):
        worst = float(difference.max() / max(np.abs(expected).max(), _SMALLEST))
        if not worst <= _FLOAT_TOLERANCE:  # true for NaN, too
            raise ExportMismatch(
                f"onnxruntime must agree with torch within {_FLOAT_TOLERANCE:g} relative, got {worst:.2g}"
            )
        return
    steps = difference / max(np.ptp(expected) / 255, _SMALLEST)
    if not (steps.mean() <= _MEAN_STEPS and steps.max() <= _MAX_STEPS):
        raise ExportMismatch(
            f"onnxruntime must agree with torch within {_MEAN_STEPS:g} quantisation steps on average and "
            f"{_MAX_STEPS:g} at most, got {steps.mean():.2f} and {steps.max():.1f}"
        )


def _is_quantized(network: nn.Module) -> bool:
    """Whether a quantiser of the network rounds to fewer bits than floating point has."""
    quantizers = (module for module in network.modules() if isinstance(module, WeightQuantizer | ActivationQuantizer))
    return any(quantizer.bits < FULL_PRECISION_BITS for quantizer in quantizers)
