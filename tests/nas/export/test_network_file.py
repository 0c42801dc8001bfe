"""A stored network is built of its file alone, rounds to the same codes and computes the same, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from fuzzer import find_refusal
from mutations import mutate_bytes, mutate_json
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import apply_policy, calibrate
from nas.compression.folded_layer import FoldedLayer, fold_layer, fold_unit
from nas.compression.integer_biases import round_biases
from nas.compression.quantizers.registry import QUANTIZERS
from nas.compression.repair.repair_network import Repairer
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from nas.export.network_file import load_network, store_network
from nas.tasks.regression import RescaledNetwork
from nas.tensor_files import read_tensors, save_tensors
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.operators.opaque import Opaque
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

FIXTURES = Path(__file__).parents[2] / "fixtures" / "exported_network"
IMAGES = torch.randn(40, 4, 6, 6, generator=torch.Generator().manual_seed(0))


class Summed(nn.Module):
    """An operation that runs as torch runs it."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows.cumsum(1)


def make_given(*texts: str) -> GraphNetwork:
    """A repaired network, with the policies that its layers have; `round_biases` was the last step."""
    torch.manual_seed(0)
    body = [nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    head = [nn.ConvTranspose2d(8, 2, 2, 2), nn.Hardswish(), nn.Flatten(), nn.Linear(128, 16), Summed()]
    net = nn.Sequential(*body, *head, nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5)).eval()
    policies = tuple(map(LayerPolicy.parse, texts))
    data = CalibrationData(IMAGES, batch=20)
    subject = CompressionSubject.uniform_choices(trace(net, [IMAGES[:1]]), policies, data)
    network = Repairer(subject).repair(CompressionPolicy(policies))
    round_biases(network)
    return network


def make_subnet(learnt: bool, quantizer: str, seed: int) -> nn.Module:
    space = create_space("resnet_digits", 1, 10)
    texts = ("w8a8", "w4a8", "w3a4", "w2a32", "w32a8", "w32a32")
    joint = JointSpace(space, PolicySpace(tuple(map(LayerPolicy.parse, texts))))
    supernet = build_supernet(space, seed)
    if learnt:
        supernet.learn_weight_steps(2)
    candidate = joint.sample(np.random.default_rng(seed), 1)[0]
    network = supernet.extract(candidate.architecture, candidate.policy)
    made = apply_policy(network, space.layers(candidate.architecture), candidate.policy, QUANTIZERS[quantizer]())
    for layer in made.modules():
        if isinstance(layer, Layer):
            layer.keep_rounded_weight()
    calibrate(made, [images_of(made)])
    round_biases(made)
    return made


def images_of(network: nn.Module) -> Tensor:
    """Images of the resolution of a subnet."""
    layer = next(module for module in network.modules() if isinstance(module, Layer))
    return torch.randn(4, *layer.spec.input_shape, generator=torch.Generator().manual_seed(0))


def reload(network: nn.Module, inputs: Tensor, folder: Path) -> nn.Module:
    store_network(network, inputs).save(folder / "net.safetensors")
    return load_network(folder / "net.safetensors")


def stored_codes(network: nn.Module) -> list[tuple[Tensor, ...]]:
    """What devices store of every rounded layer: codes, steps and biases."""
    folded: list[FoldedLayer] = []
    for module in network.modules():
        if isinstance(module, Layer):
            folded.append(fold_layer(module))
        elif isinstance(module, GraphNetwork):
            folded += [fold_unit(module, unit) for layer in module.graph.layers for unit in layer.units]
    quantized = [one for one in folded if one.is_quantized and one.quantizer is not None]
    return [(*one.quantizer.codes(one.weight, one.learnt_step), one.bias) for one in quantized if one.quantizer]


def check_same(again: nn.Module, network: nn.Module, inputs: Tensor) -> None:
    with torch.no_grad():
        assert torch.equal(again(inputs), network(inputs))
    assert not again.training
    assert str(again) == str(network)
    pairs = zip(stored_codes(again), stored_codes(network), strict=True)
    assert all(torch.equal(*values) for pair in pairs for values in zip(*pair, strict=True))
    quantizers = [[one for one in of.modules() if isinstance(one, ActivationQuantizer)] for of in (again, network)]
    for ours, theirs in zip(*quantizers, strict=True):
        assert (ours.bits, ours.step) == (theirs.bits, theirs.step)
        assert ours.bits == FULL_PRECISION_BITS or ours.range == theirs.range
    for (name, tensor), (other, known) in zip(again.named_parameters(), network.named_parameters(), strict=True):
        assert (name, tensor.stride(), tensor.requires_grad) == (other, known.stride(), known.requires_grad)


@pytest.mark.parametrize(
    "policies",
    [
        ("w4a8", "w3a8-g4", "w5a6", "w4a8-rank0.5", "w2a8-sparse0.5", "w3a8-correct0.4"),
        ("w8a4", "w32a32", "w32a8", "w4a32-g8", "w32a32-rank0.5", "w7a7"),
    ],
)
def test_a_repaired_network_comes_back(policies: tuple[str, ...], tmp_path: Path) -> None:
    network = make_given(*policies)
    assert network.graph.operator_counts["opaque"] == 1
    again = reload(network, IMAGES, tmp_path)
    check_same(again, network, IMAGES)
    assert isinstance(again, GraphNetwork)
    assert again.graph == network.graph


@pytest.mark.parametrize(("learnt", "quantizer"), [(False, "min_max"), (False, "mse"), (True, "min_max")])
def test_a_subnet_comes_back(learnt: bool, quantizer: str, tmp_path: Path) -> None:
    for seed in range(3):
        network = make_subnet(learnt, quantizer, seed)
        check_same(reload(network, images_of(network), tmp_path), network, images_of(network))


def test_outputs_in_the_unit_of_labels_and_rounded_weights_alone_come_back(tmp_path: Path) -> None:
    inner = make_subnet(False, "min_max", 1)
    network = RescaledNetwork(inner, torch.linspace(-3, 3, 10), torch.linspace(1, 2, 10))
    check_same(reload(network, images_of(network), tmp_path), network, images_of(network))
    given = make_given(*["w4a8"] * 6)
    for one, inputs in ((network, images_of(network)), (given, IMAGES)):
        for module in one.modules():
            if isinstance(module, ActivationQuantizer):
                module.bits = FULL_PRECISION_BITS
        check_same(reload(one, inputs, tmp_path), one, inputs)


def test_what_came_back_is_trained_further_and_stored_again(tmp_path: Path) -> None:
    for network, inputs in ((make_given(*["w4a8"] * 6), IMAGES), (make_subnet(True, "min_max", 1), None)):
        images = images_of(network) if inputs is None else inputs
        again = reload(network, images, tmp_path)
        optimizer = torch.optim.SGD(again.parameters(), lr=0.05)
        before = again(images).square().mean()
        before.backward()
        assert all(bool(one.grad.isfinite().all()) for one in again.parameters() if one.grad is not None)
        optimizer.step()
        assert not torch.equal(again(images), network(images))
        check_same(reload(again, images, tmp_path), again, images)


def foreign_operation() -> GraphNetwork:
    traced = trace(nn.Sequential(nn.Linear(3, 3), Summed()), [torch.randn(2, 3)])
    nodes = tuple(
        replace(node, operator=replace(node.operator, target="mine.cumsum.default"))
        if isinstance(node.operator, Opaque)
        else node
        for node in traced.graph.nodes
    )
    return GraphNetwork(replace(traced.graph, nodes=nodes), traced.parameters).eval()


def foreign_module() -> GraphNetwork:
    traced = trace(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), [torch.randn(2, 3)])
    (relu,) = (node.name for node in traced.graph.nodes if node.operator.name == "activation")
    return GraphNetwork(traced.graph, traced.parameters, {relu: ActivationQuantizer(32)}).eval()


def uncalibrated() -> GraphNetwork:
    traced = trace(nn.Linear(3, 3), [torch.randn(2, 3)])
    return compress(traced, CompressionPolicy((LayerPolicy.parse("w8a8"),)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (foreign_operation, r"calls mine\.cumsum\.default, code of another package than torch"),
        (foreign_module, "is run by ActivationQuantizer, which is code"),
        (uncalibrated, "must be calibrated, and .* has no range"),
        (lambda: uncalibrated().train(), "this one is in training"),
        (lambda: nn.Linear(3, 3).eval(), "it is Linear, which no file of a network holds"),
        (lambda: nn.Identity().eval(), "a network of nas is stored, got Identity"),
    ],
)
def test_what_is_no_data_is_not_stored(make: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        store_network(make(), torch.randn(2, 3))
    assert str(caught.value).isprintable()


def test_files_of_every_version_compute_what_they_did() -> None:
    for kind in ("graph", "subnet"):
        answers = load_file(FIXTURES / f"{kind}-1-answers.safetensors")
        with torch.no_grad():
            found = load_network(FIXTURES / f"{kind}-1.safetensors")(answers["images"])
        torch.testing.assert_close(found, answers["outputs"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: header.update(format="nas-network-2"), r"in format nas-exported-network-1, got one in 'nas-ne"),
        (lambda header: header.update(graph=None), "either a graph or layers"),
        (lambda header: header.update(orders={"network/?": [1, 0]}), r"got \(1, 0\) for network/\?"),
        (lambda header: header.pop("notes"), "notes must be stated"),
        (lambda header: header["graph"].update(graph="{}"), "not the JSON of a network graph"),
        (lambda header: header["graph"].update(graph="[" * 100_000), "no network can be built of"),
        (lambda header: header["graph"].update(trained=["nothing"]), "must be of floating point, got nothing"),
        (lambda header: header["graph"]["activations"].popitem(), "each node that rounds activations, and no other"),
        (lambda header: next(iter(header["graph"]["activations"].values())).update(bits=9), "must be 2 to 8, or 32"),
        (lambda header: next(iter(header["graph"]["activations"].values())).update(low=None), "needs a range"),
        (lambda header: next(iter(header["graph"]["weights"].values())).update(bits=1), "must be 2 to 8, or 32"),
        (lambda header: next(iter(header["graph"]["weights"].values())).update(group_size=3), "a multiple of as many"),
        (lambda header: header["graph"]["weights"].update(x={"bits": 4, "group_size": None}), "floating point, got x"),
    ],
)
def test_a_header_that_is_none_is_refused_in_one_line(
    change: Callable[[dict[str, Any]], object], words: str, tmp_path: Path
) -> None:
    stored = read_tensors(FIXTURES / "graph-1.safetensors", "network", "")
    header = json.loads(json.dumps(stored.header))
    change(header)
    save_tensors(tmp_path / "net", stored.tensors, header)
    with pytest.raises(ValueError, match=words) as caught:
        load_network(tmp_path / "net")
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith("write it anew, by nas export KEY --safetensors or nas.store_network")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(ValueError, match="in format nas-exported-network-1, got a file of another program; write it"):
        load_network(foreign)
    stored = read_tensors(FIXTURES / "graph-1.safetensors", "network", "")
    save_file(stored.tensors, foreign, {"nas": json.dumps(stored.header)})
    with pytest.raises(ValueError, match="has no digest of that"):
        load_network(foreign)
    (name, steps) = next((name, one) for name, one in stored.tensors.items() if name.startswith("steps/"))
    weight = f"network/{name.removeprefix('steps/')}"
    for lost, put, words in (
        (name, {}, "steps of float32, which are not there"),
        (name, {name: -steps}, "must be positive numbers"),
        (weight, {}, "must have the tensors of its graph"),
        (weight, {weight: stored.tensors[weight] * torch.nan}, "must be finite numbers"),
        ("", {"more": steps.clone()}, "it has more, which no part of the network reads"),
        ("", {"steps/more": steps.clone()}, "it has steps/more, which no part of the network reads"),
    ):
        tensors = {key: one for key, one in stored.tensors.items() if key != lost} | put
        save_tensors(foreign, tensors, stored.header)
        with pytest.raises(ValueError, match=words):
            load_network(foreign)
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "missing")


@pytest.mark.parametrize("kind", ["graph", "subnet"])
def test_whatever_is_damaged_is_found_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    file, path, rng, taken = FIXTURES / f"{kind}-1.safetensors", tmp_path / "net", Random(0), 0
    content, stored = file.read_bytes(), read_tensors(file, "network", "")
    known = load_network(file).state_dict()

    def read() -> None:
        found = load_network(path).state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in known.items())

    for _ in range(100):
        path.write_bytes(mutate_bytes(content, rng))
        taken += find_refusal(read) is None
    assert taken < 10  # what changes nothing
    part = {"graph": "graph", "subnet": "layers"}[kind]
    opened = {**stored.header, part: stored.header[part] | {"graph": json.loads(stored.header[part]["graph"])}}
    for _ in range(150):
        mutated = mutate_json(opened, rng)
        if isinstance(mutated, dict) and isinstance(mutated.get(part), dict) and "graph" in mutated[part]:
            mutated = mutated | {part: mutated[part] | {"graph": json.dumps(mutated[part]["graph"])}}
        save_tensors(path, stored.tensors, mutated if isinstance(mutated, dict) else {})
        find_refusal(lambda: load_network(path))
