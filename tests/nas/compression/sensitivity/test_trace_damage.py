"""What traces become: mean curvature times squared error."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.degradation import LossRise
from nas.compression.sensitivity.gauss_newton_trace import GaussNewtonTrace
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.sensitivity.rounding_errors import ActivationErrors
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.sensitivity.trace_damage import compute_trace_damage
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.data.sources import load_images
from nas.tasks.registry import TASKS
from search_spaces.compression_policy import LayerPolicy


def test_weights_and_activations_add_up(residual: CompressionSubject) -> None:
    network, data = TappedNetwork(residual.traced), residual.need_data()
    traces = [np.array([-8.0, 3.0, 2.0])] * 3
    found = np.stack(compute_trace_damage(residual, network, traces))
    np.testing.assert_allclose(found[:, 1], found[:, 2] + found[:, 3], rtol=1e-6)  # w3a4, w3a32, w32a4
    errors = ActivationErrors(residual, network)
    network.forward(data.inputs)
    mean_squares = [float(error.square().mean()) for error in errors.compute(0, 4)]
    assert np.isclose(found[0, 3], 0.5 * (3 * mean_squares[0] + 2 * mean_squares[1]), rtol=1e-4)
    assert (found[:, 2] > 0).all()


def convolve(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


def correlate_on_digits(seed: int) -> float:
    """The rank correlation over layers with the rise of the loss at 4 bits, of a network that has learnt its images."""
    torch.manual_seed(seed)
    images = load_images("digits", 700, split_seed=seed)
    inputs, labels = images.transform.inputs(images.train.images, 8), images.train.labels
    body = [*convolve(1, 8), *convolve(8, 8, groups=8), *convolve(8, 24, 1), *convolve(24, 24, stride=2, groups=24)]
    body += [*convolve(24, 16, 1), *convolve(16, 32, stride=2), *convolve(32, 32, 1), nn.Flatten(), nn.Linear(128, 32)]
    network = nn.Sequential(*body, nn.ReLU(), nn.Linear(32, 10))
    adam = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(24):
        for rows in torch.randperm(len(inputs)).split(64):
            adam.zero_grad()
            F.cross_entropy(network(inputs[rows]), labels[rows]).backward()
            adam.step()
    data, traced = CalibrationData(inputs, labels, batch=128), trace(network.eval(), [inputs[:2]])
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy.quantized(4)], data, task=TASKS["classification"])
    ours, rises = (np.concatenate(one.damage(subject)) for one in (GaussNewtonTrace(), MeasuredAlone(LossRise())))
    return float(spearmanr(ours, rises).statistic)


def test_layers_are_ordered_as_by_the_measured_loss() -> None:
    """METHODS 3.6: above 0.7; of three seeds and splits 0.92 to 0.98."""
    assert np.mean([correlate_on_digits(seed) for seed in (0, 1)]) > 0.7
