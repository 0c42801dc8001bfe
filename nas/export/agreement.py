"""Checks that onnxruntime computes what torch computes, or says by how much they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nas.export.onnx_model import run_session
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer

if TYPE_CHECKING:
    import onnxruntime

_FLOAT_TOLERANCE = 1e-4  # relative to the largest logit
# Steps of 8 bits over the range of the logits. Runtimes round the bias to the product of the steps of input and weight,
# so that some roundings fall the other way.
_MEAN_STEPS, _MAX_STEPS = 2.0, 16.0
_SMALLEST = 1e-30  # range that is divided by: a network that always gives the same must give just that


class ExportMismatch(ValueError):
    """The exported model computes something else than the network."""


def check_agreement(network: nn.Module, session: onnxruntime.InferenceSession, inputs: Tensor) -> None:
    """Compares the logits of a network and of the optimised session on its ONNX form.

    Args:
        network: The network that was exported, in evaluation mode.
        session: A session on the exported model.
        inputs: Shape (batch, channels, side, side).

    Raises:
        ExportMismatch: If they differ by more than rounding.
    """
    with torch.no_grad():
        found = network(inputs)
    expected = (found[0] if isinstance(found, tuple) else found).numpy()
    difference = np.abs(run_session(session, inputs.numpy()) - expected)
    if not _is_quantized(network):
        worst = float(difference.max() / max(np.abs(expected).max(), _SMALLEST))
        if not worst <= _FLOAT_TOLERANCE:  # nor if it is no number
            raise ExportMismatch(
                f"onnxruntime must agree with torch within {_FLOAT_TOLERANCE:g} relative, got {worst:.2g}"
            )
        return
    steps = difference / max(np.ptp(expected) / 255, _SMALLEST)
    if not (steps.mean() <= _MEAN_STEPS and steps.max() <= _MAX_STEPS):
        raise ExportMismatch(
            f"onnxruntime must agree with torch within {_MEAN_STEPS:g} quantisation step on average and {_MAX_STEPS:g} "
            f"at most, got {steps.mean():.2f} and {steps.max():.1f}"
        )


def _is_quantized(network: nn.Module) -> bool:
    quantizers = (module for module in network.modules() if isinstance(module, WeightQuantizer | ActivationQuantizer))
    return any(quantizer.bits < FULL_PRECISION_BITS for quantizer in quantizers)
