"""The contract of repairs, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.repair.batch_norm import BatchNormReestimation
from nas.compression.repair.bias_correction import BiasCorrection
from nas.compression.repair.bias_tuning import BiasTuning
from nas.compression.repair.recipe import Recipe
from nas.compression.repair.registry import REPAIRS
from nas.compression.repair.repair import output_distance, outputs_on
from nas.compression.repair.repair_network import repair_network
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

W3 = LayerPolicy.parse("w3a8")


@pytest.fixture(scope="module")
def subject() -> CompressionSubject:
    """A network with and without norms, whose statistics are those of the data."""
    torch.manual_seed(0)
    inputs = torch.randn(90, 3, 6, 6)
    body = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 16), nn.ReLU()]
    net = nn.Sequential(*body, nn.Linear(16, 5)).eval()
    data = CalibrationData(inputs, batch=30)
    made = CompressionSubject.uniform_choices(trace(net, [inputs[:1]]), [W3], data)
    same = made.traced.network()  # shares its tensors with the module
    BatchNormReestimation().repair(same, made)
    return made


def compressed(subject: CompressionSubject, policy: LayerPolicy = W3) -> GraphNetwork:
    network = compress(subject.traced, CompressionPolicy((policy,) * len(subject.choices)))
    calibrate(network, subject.need_data())
    return network


def weights(network: GraphNetwork) -> list[Tensor]:
    return [network.tensor(layer.weight).detach().clone() for layer in network.graph.layers]


def distance(network: GraphNetwork, subject: CompressionSubject) -> float:
    expected = outputs_on(subject.traced.network(), subject.need_data())
    return float(output_distance(expected, outputs_on(network, subject.need_data()), None))


@pytest.mark.parametrize("name", list(REPAIRS))
def test_it_comes_closer_and_leaves_weights_alone(name: str, subject: CompressionSubject) -> None:
    network, again = compressed(subject), compressed(subject)
    before, original = weights(network), {k: v.detach().clone() for k, v in subject.traced.parameters.items()}
    far = distance(network, subject)
    REPAIRS[name]().repair(network, subject)
    REPAIRS[name]().repair(again, subject)
    assert distance(network, subject) < far
    assert all(torch.equal(*pair) for pair in zip(weights(network), before, strict=True))
    assert all(torch.equal(subject.traced.parameters[k], v) for k, v in original.items())
    data = subject.need_data()
    assert torch.equal(outputs_on(network, data), outputs_on(again, data))


@pytest.mark.parametrize("name", list(REPAIRS))
def test_what_is_not_broken_stays(name: str, subject: CompressionSubject) -> None:
    network = compressed(subject, LayerPolicy())
    REPAIRS[name]().repair(network, subject)
    data = subject.need_data()
    torch.testing.assert_close(
        outputs_on(network, data), outputs_on(subject.traced.network(), data), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", list(REPAIRS))
def test_a_repair_is_a_value(name: str) -> None:
    repair = REPAIRS[name]()
    assert pickle.loads(pickle.dumps(repair)) == repair == REPAIRS[name]()
    assert hash(repair) == hash(REPAIRS[name]())


def test_scaled_channels_are_restored_by_re_estimation(subject: CompressionSubject) -> None:
    network, data = subject.traced.network(), subject.need_data()
    expected, broken = outputs_on(network, data), copy.deepcopy(network)
    layer = subject.traced.graph.layers[0]
    with torch.no_grad():
        broken.tensor(layer.weight).mul_(torch.linspace(0.5, 2.0, 8).view(-1, 1, 1, 1))
    assert not torch.allclose(outputs_on(broken, data), expected, atol=0.01)
    BatchNormReestimation().repair(broken, subject)
    torch.testing.assert_close(outputs_on(broken, data), expected, rtol=1e-3, atol=1e-3)  # but for the norm's epsilon


@pytest.mark.parametrize("repair", [BiasCorrection(), BiasTuning(epochs=60, learning_rate=0.02)])
def test_biases_that_alone_were_broken_are_recovered(
    repair: BiasCorrection | BiasTuning, subject: CompressionSubject
) -> None:
    broken = copy.deepcopy(subject.traced.network())
    biases = [layer.units[0].call.parameters[1] for layer in subject.traced.graph.layers[1:]]
    with torch.no_grad():
        for name in biases:
            broken.tensor(name).add_(torch.randn(broken.tensor(name).shape, generator=torch.Generator().manual_seed(2)))
    far = distance(broken, subject)
    repair.repair(broken, subject)
    assert distance(broken, subject) < 0.02 * far


def test_a_recipe_keeps_what_helps(subject: CompressionSubject) -> None:
    policy = CompressionPolicy((W3, *[LayerPolicy.parse("w2a8")] * (len(subject.choices) - 1)))
    plain = distance(repair_network(subject, policy), subject)
    helped = repair_network(subject, policy, Recipe(repairs=(BiasTuning(epochs=3), BatchNormReestimation())))
    assert distance(helped, subject) < plain
    wild = repair_network(subject, policy, Recipe(repairs=(BiasTuning(epochs=1, learning_rate=100.0),)))
    assert distance(wild, subject) == plain


def test_bad_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="one or more epochs, got 0"):
        BiasTuning(epochs=0)
