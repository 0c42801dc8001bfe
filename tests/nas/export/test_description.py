"""A file is described by its policy and by torch, and is not left where it is something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_files import FLOAT, INPUTS, to_model
from torch import nn

from nas.export.agreement import ExportMismatch
from nas.export.description import NetworkDescription, _count_bytes
from nas.export.target import DEFAULT_TARGET
from nas.verification.manifest_file import read_manifest, read_samples
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.presets import create_space

ONLY = LayerSpec.linear("only", 4, 2)


def describe(policy: str) -> NetworkDescription:
    architecture = JointSpace(create_space("resnet_digits", 1, 10)).smallest().architecture  # of which nothing is read
    return NetworkDescription(Candidate(architecture, CompressionPolicy((LayerPolicy.parse(policy),))), [ONLY])


@pytest.fixture
def network() -> nn.Module:
    made = nn.Linear(4, 2, bias=False)
    made.weight.data = torch.tensor([[1.0, 3.0, 5.0, 7.0], [2.0, 4.0, 6.0, -8.0]])
    return made


def test_a_file_is_described(network: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    describe("w32a32").write(to_model(FLOAT), path, network, torch.from_numpy(INPUTS), DEFAULT_TARGET)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["net.json", "net.npz", "net.onnx"]
    manifest = read_manifest(path)
    assert (manifest.kind, manifest.policies) == ("fp32", {"only": "w32a32"})
    assert (manifest.size.weight_bytes, manifest.integer_layers, manifest.float_layers) == (32, 0, 1)
    inputs, outputs = read_samples(path, manifest)
    assert torch.equal(network(torch.from_numpy(inputs)), torch.from_numpy(outputs))


def test_a_failure_leaves_what_was_there(network: nn.Module, tmp_path: Path) -> None:
    path, model, inputs = tmp_path / "net.onnx", to_model(FLOAT), torch.from_numpy(INPUTS)
    describe("w32a32").write(model, path, network, inputs, DEFAULT_TARGET)
    before = {one: one.read_bytes() for one in tmp_path.iterdir()}
    with pytest.raises(ExportMismatch, match=r"net\.onnx, size: .*; 8 of weights by the policy"):
        describe("w8a8").write(model, path, network, inputs, DEFAULT_TARGET)
    with pytest.raises(ValueError, match=r"net\.onnx needs opset 21, got a limit of 13"):
        describe("w32a32").write(model, path, network, inputs, replace(DEFAULT_TARGET, opset=13))
    network.weight.data *= -1
    with pytest.raises(ExportMismatch, match=r"net\.onnx, outputs, as written: onnxruntime must agree with torch"):
        describe("w32a32").write(model, path, network, inputs, DEFAULT_TARGET)
    assert {one: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_a_layer_that_onnxruntime_rounds_by_itself_is_refused(tmp_path: Path) -> None:
    text = """
        g (float[n, 4] images) => (float[n, 2, 1] logits)
        <float step = {0.01}, uint8 zero = {128}, float[2, 4, 1] weight = {1, 2, 3, 4, 5, 6, 7, -8}, float out = {0.1},
         int64[3] shape = {0, 4, 1}> {
            columns = Reshape (images, shape)
            rounded = QuantizeLinear (columns, step, zero)
            read = DequantizeLinear (rounded, step, zero)
            sums = Conv (read, weight)
            codes = QuantizeLinear (sums, out, zero)
            logits = DequantizeLinear (codes, out, zero)
        }"""
    path, network = tmp_path / "net.onnx", nn.Linear(4, 2)
    with pytest.raises(ExportMismatch, match=r"onnxruntime must run 0 to 0 layers in integers, .* and runs 1"):
        describe("w32a32").write(to_model(text), path, network, torch.from_numpy(INPUTS), DEFAULT_TARGET)
    assert list(tmp_path.iterdir()) == []


def test_calls_of_a_shared_layer_may_have_weights_of_their_own() -> None:
    shared = LayerSpec.linear("shared", 4, 4)
    shared = replace(shared, further_calls=(shared.calls[0],))
    assert _count_bytes([shared], [LayerPolicy()], DEFAULT_TARGET) == 2 * 4 * 16


def test_codes_of_few_bits_are_counted_without_gaps_where_they_are_stored_so() -> None:
    layers = [LayerSpec.linear("large", 64, 128), LayerSpec.linear("small", 8, 8)]
    policies = [LayerPolicy.quantized(3, 8), LayerPolicy.quantized(4, 8)]
    assert _count_bytes(layers, policies, DEFAULT_TARGET) == 3 * 8192 / 8 + 24 + 64  # 32 bytes are not worth the nodes
    assert _count_bytes(layers, policies, replace(DEFAULT_TARGET, storage="bytes")) == 8192 + 64
    assert _count_bytes(layers[1:], policies[1:], DEFAULT_TARGET) == 64
