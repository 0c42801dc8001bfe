"""Networks that are rounded layer by layer: what stays, what is put right, and that it is closer to the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.equalization.registry import EQUALIZATIONS
from nas.compression.repair.recipe import FULL, LIGHT, Recipe
from nas.compression.repair.repair import outputs_on
from nas.compression.repair.repair_network import Repairer, repair_network
from nas.compression.rounding.round_to_nearest import RoundToNearest
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.export.onnx_graph_network import traced_to_onnx
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

FLOAT = LayerPolicy()


class Net(nn.Module):
    """A convolution, a block with a shortcut of its own weights, a depthwise convolution, and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.body, self.body_norm = nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, 2, 1, groups=8)
        self.up = nn.ConvTranspose2d(8, 6, 2, 2)
        self.hidden, self.head = nn.Linear(6, 16, bias=False), nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(images)))
        x = F.relu(self.body_norm(self.body(x)) + x)
        x = self.up(F.relu(self.depthwise(x)))
        return self.head(F.relu(self.hidden(x.mean((2, 3)))))


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    net = Net()
    for norm in (net.norm, net.body_norm):
        norm.running_mean.uniform_(-0.2, 0.2)
        norm.running_var.uniform_(0.1, 0.5)
        norm.weight.data.uniform_(-1.5, 1.5)
    return trace(net.eval(), [torch.zeros(1, 3, 8, 8)])


@pytest.fixture(scope="module")
def subject(traced: TracedNetwork) -> CompressionSubject:
    smooth = F.interpolate(torch.randn(200, 3, 4, 4, generator=torch.Generator().manual_seed(1)), 8, mode="bilinear")
    return CompressionSubject.uniform_choices(traced, [FLOAT], CalibrationData(smooth + 0.3, batch=48))


def uniform(traced: TracedNetwork, policy: str) -> CompressionPolicy:
    return CompressionPolicy((LayerPolicy.parse(policy),) * len(traced.graph.layers))


@torch.no_grad()
def distance(network: GraphNetwork, subject: CompressionSubject) -> float:
    """Squared error of the outputs over the variance of the original ones."""
    original, inputs = subject.traced.network(), subject.need_data().inputs
    expected = original(inputs)
    return float((network(inputs) - expected).square().sum() / (expected - expected.mean(0)).square().sum())


@pytest.mark.parametrize(("policy", "gain"), [("w4a8", 4), ("w3a8", 4), ("w2a8", 4)])
def test_it_is_much_closer_to_the_original_than_rounding_to_nearest(
    subject: CompressionSubject, policy: str, gain: float
) -> None:
    plain = compress(subject.traced, uniform(subject.traced, policy))
    calibrate(plain, subject.need_data())
    repaired = distance(repair_network(subject, uniform(subject.traced, policy)), subject)
    assert gain * repaired < distance(plain, subject)
    parallel = repair_network(subject, uniform(subject.traced, policy), Recipe(sequential=False))
    assert repaired < distance(parallel, subject) < distance(plain, subject)


def test_nothing_is_changed_where_nothing_is_rounded(subject: CompressionSubject) -> None:
    traced = subject.traced
    network = repair_network(subject, uniform(traced, "w32a32"))
    inputs = subject.need_data().inputs
    with torch.no_grad():
        assert torch.equal(network(inputs), traced.network()(inputs))


def test_weights_lie_on_their_grids_and_the_original_is_left_alone(subject: CompressionSubject) -> None:
    traced = subject.traced
    before = {name: tensor.detach().clone() for name, tensor in traced.parameters.items()}
    repairer = Repairer(subject)
    network, again = (repairer.repair(uniform(traced, "w3a8")) for _ in range(2))
    for layer in traced.graph.layers:
        quantizer, weight = network.weight_quantizer(layer.weight), network.tensor(layer.weight)
        assert quantizer is not None
        if "up" not in layer.name:  # whose output channels are not the first axis
            torch.testing.assert_close(quantizer(weight), weight, rtol=1e-6, atol=1e-8)
            assert quantizer.codes(weight)[0].abs().max() <= 3
        assert torch.equal(weight, again.tensor(layer.weight))
    assert all(torch.equal(traced.parameters[name], tensor) for name, tensor in before.items())


def test_means_of_outputs_are_put_right(subject: CompressionSubject) -> None:
    """The last layer has a bias: over the data, its outputs have the means of the original ones."""
    network, inputs = repair_network(subject, uniform(subject.traced, "w2a32")), subject.need_data().inputs
    with torch.no_grad():
        torch.testing.assert_close(network(inputs).mean(0), subject.traced.network()(inputs).mean(0), atol=1e-4, rtol=0)


def test_any_rounding_does(subject: CompressionSubject) -> None:
    nearest = repair_network(subject, uniform(subject.traced, "w3a8"), Recipe(RoundToNearest()))
    assert distance(repair_network(subject, uniform(subject.traced, "w3a8"), LIGHT), subject) < distance(
        nearest, subject
    )


@pytest.mark.parametrize("seed", range(3))
def test_few_inputs_do_not_make_it_worse_on_others(seed: int) -> None:
    """What is fitted to fewer inputs than layers have features does better on these, but not on others."""
    torch.manual_seed(seed)
    wide = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).eval()
    data = CalibrationData(torch.randn(16, 64), batch=3)
    few = CompressionSubject.uniform_choices(trace(wide, [torch.zeros(2, 64)]), [FLOAT], data)
    others = replace(few, data=CalibrationData(torch.randn(400, 64)))
    policy = uniform(few.traced, "w6a32")
    plain = compress(few.traced, policy)
    fitted, judged = (repair_network(few, policy, Recipe(damping=1e-4, judge_every=every)) for every in (17, 4))
    assert distance(fitted, few) < distance(plain, few)
    assert distance(fitted, others) > 1.5 * distance(plain, others)
    assert distance(judged, others) < 1.1 * distance(plain, others)


@pytest.mark.parametrize("name", list(EQUALIZATIONS))
def test_a_recipe_may_equalize_first(subject: CompressionSubject, name: str) -> None:
    recipe = Recipe(equalization=EQUALIZATIONS[name]())
    plain = compress(subject.traced, uniform(subject.traced, "w3a8"))
    calibrate(plain, subject.need_data())
    assert 2 * distance(repair_network(subject, uniform(subject.traced, "w3a8"), recipe), subject) < distance(
        plain, subject
    )


class Tokens(nn.Module):
    """Patches as tokens, a norm over features, a shortcut, and a layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 12, 2, 2), nn.LayerNorm(12)
        self.up, self.down, self.shared = nn.Linear(12, 24), nn.Linear(24, 12), nn.Linear(12, 12, bias=False)
        self.head = nn.Linear(12, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = x + self.down(F.gelu(self.up(self.norm(x))))
        return self.head(F.relu(self.shared(F.relu(self.shared(x)))).mean(1))


def test_layers_of_tokens_and_layers_that_are_called_twice(subject: CompressionSubject) -> None:
    torch.manual_seed(3)
    tokens = CompressionSubject.uniform_choices(
        trace(Tokens().eval(), [torch.zeros(1, 3, 8, 8)]), [FLOAT], subject.data
    )
    policy = uniform(tokens.traced, "w3a8")
    repairer = Repairer(tokens)
    assert torch.equal(repairer.fit_outputs(policy), outputs_on(repairer.fit(policy), tokens.need_data()))
    plain = compress(tokens.traced, policy)
    calibrate(plain, tokens.need_data())
    assert 2 * distance(repair_network(tokens, policy), tokens) < distance(plain, tokens)


class Learnt(nn.Module):
    """A layer whose output a learnt constant is added to."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.layer, self.constant = nn.Linear(8, 8), nn.Parameter(torch.randn(shape))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.layer(inputs) + self.constant)


@pytest.mark.parametrize(("inputs", "constant"), [((8,), (8,)), ((5, 8), (5, 8)), ((5, 8), (1, 5, 8)), ((5, 8), (8,))])
def test_a_constant_that_is_added_is_no_shortcut(inputs: tuple[int, ...], constant: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    traced = trace(Learnt(*constant).eval(), [torch.randn(2, *inputs)])
    data = CalibrationData(torch.randn(200, *inputs))
    few = CompressionSubject.uniform_choices(traced, [FLOAT], data)
    plain = compress(traced, uniform(traced, "w2a32"))
    assert distance(repair_network(few, uniform(traced, "w2a32")), few) < distance(plain, few)


BODY = ("w4a32", "w4a32-sparse0.3")
GROUPED = ("w3a8", "w3a8-g4", "w3a8", "w3a8-g2", "w2a8-g3", "w3a8-g8")
CORRECTED = ("w3a8-correct0.4", "w2a8-correct0.5", "w3a8", "w3a8", "w2a8-g3-correct0.3", "w2a8-correct0.4")
REDUCED = ("w4a8-rank0.6", "w4a8-rank0.6-sparse0.3", "w4a8", "w4a8-sparse0.5", "w4a8-2:3", "w8a8-rank0.75")


@pytest.mark.parametrize("sequential", [True, False])
@pytest.mark.parametrize("exact", [True, False])
def test_factors_and_what_is_left_of_a_weight_make_up_for_what_is_not(
    subject: CompressionSubject, sequential: bool, exact: bool
) -> None:
    entries = map(LayerPolicy.parse, REDUCED)
    policy = CompressionPolicy(tuple(replace(one, quantization=None) if exact else one for one in entries))
    plain = subject.compress(policy)
    calibrate(plain, subject.need_data())
    repaired = repair_network(subject, policy, Recipe(sequential=sequential))
    assert 2 * distance(repaired, subject) < distance(plain, subject)
    for layer in plain.graph.layers:
        zeros = plain.tensor(layer.weight) == 0
        assert not repaired.tensor(layer.weight)[zeros].any()


@pytest.mark.parametrize("sequential", [True, False])
def test_a_correction_brings_the_outputs_closer(subject: CompressionSubject, sequential: bool) -> None:
    found = []
    for text in ("w2a32", "w2a32-correct0.5"):
        entries = [text, text, "w32a32", "w32a32", text, text]  # grouped and transposed ones cannot
        policy = CompressionPolicy(tuple(map(LayerPolicy.parse, entries)))
        found.append(distance(repair_network(subject, policy, Recipe(sequential=sequential)), subject))
    assert 1.5 * found[1] < found[0]


def test_only_zeros_that_the_policy_asks_for_stay(subject: CompressionSubject) -> None:
    traced = subject.traced
    weight = traced.parameters["body.weight"].detach().clone()
    weight[:, 1:4, 1] = 0
    found = replace(subject, traced=replace(traced, parameters={**traced.parameters, "body.weight": weight}))
    dense, sparse = (CompressionPolicy(tuple(map(LayerPolicy.parse, ["w2a32", one, *["w4a32"] * 4]))) for one in BODY)
    assert repair_network(found, dense).tensor("body.weight")[weight == 0].any()
    assert not repair_network(found, sparse).tensor("body.weight")[weight == 0].any()


@pytest.mark.parametrize("recipe", [LIGHT, Recipe(sequential=False), FULL], ids=["light", "parallel", "full"])
@pytest.mark.parametrize("policies", [["w3a8"] * 6, GROUPED, REDUCED, CORRECTED])
def test_outputs_that_come_with_a_fit_are_those_of_the_network(
    subject: CompressionSubject, policies: Sequence[str], recipe: Recipe
) -> None:
    policy = CompressionPolicy(tuple(map(LayerPolicy.parse, policies)))
    repairer = Repairer(subject, recipe)
    assert torch.equal(repairer.fit_outputs(policy), outputs_on(repairer.fit(policy), subject.need_data()))


@pytest.mark.parametrize("policies", [["w3a8"] * 6, GROUPED, REDUCED, CORRECTED])
def test_exports_write_the_codes_that_were_found(subject: CompressionSubject, policies: Sequence[str]) -> None:
    policy = CompressionPolicy(tuple(map(LayerPolicy.parse, policies)))
    network, inputs = repair_network(subject, policy), subject.need_data().inputs[:8]
    model = traced_to_onnx(network, [inputs])
    session = onnxruntime.InferenceSession(model)
    (found,) = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})
    with torch.no_grad():
        expected = network(inputs)
    assert float((torch.from_numpy(found) - expected).abs().max()) < 0.05 * float(expected.abs().max())
    if policies == GROUPED:
        nearest = compress(subject.traced, policy)
        calibrate(nearest, subject.need_data())
        assert 4 * distance(network, subject) < distance(nearest, subject)
        quantizer, weight = network.weight_quantizer("body.weight"), network.tensor("body.weight")
        assert quantizer is not None
        torch.testing.assert_close(quantizer(weight), weight, rtol=1e-6, atol=1e-8)
    if policies == REDUCED:  # half of the weights of the transposed convolution are zero codes
        codes = [numpy_helper.to_array(one) for one in onnx.load_from_string(model).graph.initializer]
        (zeros,) = [int((one == 0).sum()) for one in codes if one.dtype == np.int8 and one.size == 8 * 6 * 2 * 2]
        assert zeros >= 96


@pytest.mark.parametrize("seed", range(12))
def test_one_output_is_enough(subject: CompressionSubject, seed: int) -> None:
    """Whether the only output that was drawn is of an input that judges, or of one that is fitted to."""
    network = repair_network(subject, uniform(subject.traced, "w6a8"), Recipe(rows=1, seed=seed))
    assert np.isfinite(distance(network, subject))


def test_data_is_needed(traced: TracedNetwork) -> None:
    with pytest.raises(ValueError, match="needs calibration data"):
        Repairer(CompressionSubject.uniform_choices(traced, [FLOAT]))


def test_bad_recipes_are_refused() -> None:
    with pytest.raises(ValueError, match="one or more outputs, got 0"):
        Recipe(rows=0)
    with pytest.raises(ValueError, match="a number above 0, got nan"):
        Recipe(damping=float("nan"))
    with pytest.raises(ValueError, match="2 bits or more"):
        Recipe(nearest_from_bits=1)
    with pytest.raises(ValueError, match="one of 2 or more inputs must judge"):
        Recipe(judge_every=1)
