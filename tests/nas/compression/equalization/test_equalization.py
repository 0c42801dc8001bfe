"""The contract of equalisations, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.equalization.registry import EQUALIZATIONS
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork, trace
from search_spaces.compression_policy import LayerPolicy


class Mobile(nn.Module):
    """Layers with normalisations, a depthwise one among them, a gate, and a shortcut that cannot be rescaled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.depthwise, self.depthwise_norm = nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False), nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.project = nn.Conv2d(8, 6, 1)
        self.grouped, self.head = nn.Conv2d(6, 6, 3, 1, 1, groups=3), nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.stem_norm(self.stem(images)))
        x = F.relu(self.depthwise_norm(self.depthwise(x)))
        x = x * self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))).sigmoid()
        x = F.leaky_relu(self.project(x), 0.1)
        return self.head((F.relu(self.grouped(x)) + x).mean((2, 3)))


class Flattened(nn.Module):
    """Maps that are padded, pooled and flattened, with the channels in the middle and in front."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.second, self.up = nn.Conv2d(4, 6, 2), nn.ConvTranspose2d(6, 4, 2, 2)
        self.middle, self.last, self.head = nn.Linear(64, 12), nn.Linear(12, 36), nn.Linear(36, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.pad(self.norm(F.relu(self.first(images))), (1, 1, 1, 1)), 2)
        x = self.up(F.relu(self.second(x)))[:, :, :4, :4]
        x = self.middle(F.relu(x).permute(0, 2, 1, 3).reshape(-1, 64))
        return self.head(F.relu(self.last(F.relu(x)).reshape(-1, 6, 6)).flatten(1))


class Tokens(nn.Module):
    """Layer normalisations before one and several layers, with and without biases, and tokens that are taken out."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.first, self.second = nn.Conv2d(3, 8, 2, 2), nn.LayerNorm(8), nn.LayerNorm(8)
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.up, self.gate, self.down = nn.Linear(8, 16, bias=False), nn.Linear(8, 16), nn.Linear(16, 8)
        self.root = nn.RMSNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2)
        y = self.first(x)
        x = x + F.scaled_dot_product_attention(self.query(y), self.key(y), self.value(y))
        y = self.second(x)
        x = x + self.down(F.relu(self.up(y)) * self.gate(y))
        return self.head(self.root(x)[:, 0])


NETWORKS: dict[str, Callable[[], nn.Module]] = {"mobile": Mobile, "flattened": Flattened, "tokens": Tokens}


def in_double(network: nn.Module) -> TracedNetwork:
    for norm in (part for part in network.modules() if isinstance(part, nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.2, 0.2)  # type: ignore[operator, union-attr]
        norm.running_var.uniform_(0.1, 2.0)  # type: ignore[operator, union-attr]
    for norm in (part for part in network.modules() if isinstance(part, nn.BatchNorm2d | nn.LayerNorm | nn.RMSNorm)):
        norm.weight.data.uniform_(-2.0, 2.0)
    traced = trace(network.eval(), [torch.randn(1, 3, 8, 8)])
    return replace(traced, parameters={name: tensor.detach().double() for name, tensor in traced.parameters.items()})


@pytest.fixture(scope="module", params=list(NETWORKS))
def subject(request: pytest.FixtureRequest) -> CompressionSubject:
    torch.manual_seed(0)
    traced = in_double(NETWORKS[request.param]())
    data = CalibrationData(torch.randn(40, 3, 8, 8, dtype=torch.float64), batch=16)
    return CompressionSubject.uniform_choices(traced, [LayerPolicy.parse("w4a8")], data)


@pytest.mark.parametrize("name", list(EQUALIZATIONS))
def test_the_function_stays(name: str, subject: CompressionSubject) -> None:
    before = {key: tensor.clone() for key, tensor in subject.traced.parameters.items()}
    found, again = (EQUALIZATIONS[name]().equalize(subject) for _ in range(2))
    inputs = 3 * torch.randn(20, 3, 8, 8, dtype=torch.float64)  # others than those of the data
    with torch.no_grad():
        expected = subject.traced.network()(inputs)
        torch.testing.assert_close(found.network()(inputs), expected, rtol=1e-10, atol=1e-10)
    assert all(torch.equal(subject.traced.parameters[key], tensor) for key, tensor in before.items())
    assert all(torch.equal(again.parameters[key], tensor) for key, tensor in found.parameters.items())
    assert found.graph == subject.traced.graph


@pytest.mark.parametrize("name", list(EQUALIZATIONS))
def test_something_is_rescaled_where_something_can_be(name: str) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    net[0].weight.data[2] = 50.0  # a channel that is much larger than others
    traced = trace(net, [torch.randn(1, 6)])
    data = CalibrationData(torch.randn(64, 6))
    found = EQUALIZATIONS[name]().equalize(CompressionSubject.uniform_choices(traced, [LayerPolicy()], data))
    assert any(not torch.allclose(found.parameters[key], tensor) for key, tensor in traced.parameters.items())
    assert all(tensor.requires_grad == traced.parameters[key].requires_grad for key, tensor in found.parameters.items())


@pytest.mark.parametrize("name", list(EQUALIZATIONS))
def test_a_network_without_pairs_stays(name: str) -> None:
    traced = trace(nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 3)), [torch.randn(1, 6)])
    data = CalibrationData(torch.randn(64, 6))
    found = EQUALIZATIONS[name]().equalize(CompressionSubject.uniform_choices(traced, [LayerPolicy()], data))
    assert all(torch.equal(found.parameters[key], tensor) for key, tensor in traced.parameters.items())


@pytest.mark.parametrize("name", list(EQUALIZATIONS))
def test_channels_that_are_never_active_do_no_harm(name: str) -> None:
    net = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        net[0].weight[1], net[0].bias[1] = 0.0, 0.0
        net[1].weight[3], net[1].bias[3] = 0.0, 0.0
        net[3].weight[:, 4] = 0.0
    traced, data = trace(net, [torch.randn(1, 6)]), CalibrationData(torch.randn(64, 6))
    found = EQUALIZATIONS[name]().equalize(CompressionSubject.uniform_choices(traced, [LayerPolicy()], data))
    assert not found.list_unsound_tensors()
    with torch.no_grad():
        torch.testing.assert_close(found.network()(data.inputs), net(data.inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(EQUALIZATIONS))
def test_an_equalization_is_a_value(name: str) -> None:
    equalization = EQUALIZATIONS[name]()
    assert pickle.loads(pickle.dumps(equalization)) == equalization == EQUALIZATIONS[name]()
    assert hash(equalization) == hash(EQUALIZATIONS[name]())
