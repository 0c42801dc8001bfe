"""What is timed of a given network is what its exports are: the runtime runs the same operators on as many elements."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hardware.device import ONNXRUNTIME_CPU, OPENVINO_CPU
from hardware.profiling.openvino_profiler import OpenVinoProfiler
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.workload import OnnxNetwork
from nas.compression.compress import calibrate
from nas.compression.pruning.narrow_network import remove_blocks
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.evaluation.given_workloads import GivenWorkloads
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.target import ExportTarget
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.removable_blocks import RemovableBlocks

LAYERS = ("Convolution", "Deconvolution", "FullyConnected")


class Net(nn.Module):
    """Uneven padding, a layer that is called twice, equal weights, a skip, a pooling, an attention, and tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8)
        self.mix, self.gate = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.up, self.grouped = nn.ConvTranspose2d(8, 8, 2, 2), nn.ConvTranspose1d(8, 8, 3, padding=1, groups=2)
        self.left, self.right = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.right.load_state_dict(self.left.state_dict())
        self.query, self.out, self.scale = nn.Linear(8, 24), nn.Linear(8, 8), nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(F.pad(images, (0, 1, 0, 1)))))
        x = x + F.hardswish(self.mix(F.relu(self.mix(x))))
        x = self.up(F.max_pool2d(x * F.hardsigmoid(self.gate(F.adaptive_avg_pool2d(x, 1))), 2))
        x = self.left(x) + self.right(F.relu(x))
        tokens = self.grouped(x.flatten(2)).transpose(1, 2)
        query, key, value = self.query(self.scale(tokens)).chunk(3, -1)
        tokens = tokens + self.out(F.scaled_dot_product_attention(query, key, value))
        return self.head(tokens.mean(1))


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    return trace(Net().eval(), [torch.randn(2, 3, 16, 16)])


@pytest.mark.parametrize("kind", ["w32a32", "w8a8", "mixed"])
def test_onnxruntime_makes_the_same_of_it_as_of_an_export(traced: TracedNetwork, kind: str) -> None:
    space = JointSpace(traced.space("net"), PolicySpace.parse(["w32a32", "w8a8"]))
    genes = np.random.default_rng(3).integers(0, 2, (1, 10)) if kind == "mixed" else np.full((1, 10), kind == "w8a8")
    candidate, device = space.population(genes)[0], ONNXRUNTIME_CPU
    built = GivenWorkloads(traced)(candidate, device)
    network = compress(traced, candidate.policy)
    inputs = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    calibrate(network, [inputs])
    exported = OnnxNetwork(traced_to_onnx(network, [inputs]), built.input_shape)
    ran, wanted = OnnxRuntimeProfiler(device).count_operators([built, exported])
    assert ran == wanted


def test_openvino_runs_the_same_layers_in_integers_as_of_an_export(traced: TracedNetwork) -> None:
    if find_spec("openvino") is None:  # `importorskip` would import it with its telemetry
        pytest.skip("OpenVINO is an extra")
    space = JointSpace(traced.space("net"), PolicySpace.parse(["w32a32", "w4a8", "w8a8"]))
    candidate, device = space.population(np.array([[0, 1, 2, 1, 0, 1, 2, 2, 1, 1]]))[0], OPENVINO_CPU
    built = GivenWorkloads(traced)(candidate, device)
    network = compress(traced, candidate.policy)
    inputs = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    calibrate(network, [inputs])
    target = ExportTarget.parse("openvino>=2025.0")
    exported = OnnxNetwork(traced_to_onnx(network, [inputs], target), built.input_shape)
    both = OpenVinoProfiler(device).count_operators([built, exported])
    ran, wanted = ({kind: count for kind, count in one.items() if kind.startswith(LAYERS)} for one in both)
    assert ran == wanted
    assert {"Convolution I8", "FullyConnected I8"} <= {*ran}


def test_without_blocks_it_is_what_is_left(traced: TracedNetwork) -> None:
    blocks, device = RemovableBlocks.from_graph(traced.graph), ONNXRUNTIME_CPU
    space = JointSpace(traced.space("net", blocks=blocks.names), PolicySpace.parse(["w32a32", "w8a8"]))
    genes = np.random.default_rng(3).integers(0, 2, (1, len(space.genes)))
    genes[:, : len(blocks.names)] = 0
    candidate = space.population(genes)[0]
    left = remove_blocks(traced, blocks, blocks.names)
    assert len(candidate.policy.layers) == len(left.graph.layers) < len(traced.graph.layers)
    built = GivenWorkloads(traced, space.architectures)(candidate, device)
    wanted = GivenWorkloads(left)(candidate, device)
    ran, expected = OnnxRuntimeProfiler(device).count_operators([built, wanted])
    assert ran == expected


def test_a_policy_that_no_kernel_runs_is_refused(traced: TracedNetwork) -> None:
    space = JointSpace(traced.space("net"), PolicySpace.parse(["w4a4"]))
    with pytest.raises(ValueError, match="runs no layer at w4a4"):
        GivenWorkloads(traced)(space.smallest(), ONNXRUNTIME_CPU)
