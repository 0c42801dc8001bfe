"""Exports for OpenVINO compute in it what they compute in torch, in integers where weights have 7 bits or fewer."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_files import FLOAT, INPUTS, QUANTIZED, export
from torch import Tensor, nn

from hardware.profiling.openvino_model import compile_openvino, count_integer_layers
from hardware.profiling.stopwatch import Stopwatch
from nas.compression.compress import apply_policy, calibrate
from nas.compression.integer_biases import round_biases
from nas.export.agreement import ExportMismatch, check_openvino_agreement
from nas.export.onnx_model import run_session, to_onnx
from nas.export.target import ExportTarget
from nas.verification.check import Check
from nas.verification.checks import verify_file
from nas.verification.openvino_session import open_openvino
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

POLICIES = ("w4a8", "w32a32", "w7a8", "w8a8")
TARGET = ExportTarget.parse("openvino>=2025.0")


def make_network(seed: int) -> tuple[nn.Module, list[LayerPolicy], Tensor]:
    space = create_space("resnet_digits", 1, 10)
    architecture = JointSpace(space).smallest().architecture
    layers = space.layers(architecture)
    policies = [*islice(cycle(map(LayerPolicy.parse, POLICIES)), len(layers))]
    plain = build_supernet(space, seed).eval().extract(architecture)
    network = apply_policy(plain, layers, CompressionPolicy(tuple(policies)))
    size = architecture.resolution
    images = torch.randn(32, 1, size, size, generator=torch.Generator().manual_seed(0))
    calibrate(network, [images])
    round_biases(network)
    return network, policies, images


def test_an_export_agrees_in_openvino_and_another_network_does_not() -> None:
    if find_spec("openvino") is None:  # `importorskip` would import it with its telemetry
        pytest.skip("OpenVINO is an extra")
    network, policies, images = make_network(0)
    model = to_onnx(network, (1, *images.shape[2:]), TARGET)
    session = open_openvino(model)
    check_openvino_agreement(network, session, images)
    assert run_session(session, images[:3].numpy()).shape == (3, 10)
    integers, layers = count_integer_layers(compile_openvino(model))
    assert (integers, layers) == (sum(policy.weight_bits <= 7 for policy in policies), len(policies))
    other, *_ = make_network(1)
    with pytest.raises(ExportMismatch, match=r"^OpenVINO must agree with torch"):
        check_openvino_agreement(other, session, images)


def test_a_file_alone_is_checked_in_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is an extra")
    monkeypatch.setattr("nas.verification.timing.Stopwatch", lambda **_: Stopwatch(rounds=(1, 1), turn_s=0.0, runs=1))

    def verify(text: str, outputs: NDArray[np.float32] | None = None) -> Check:
        checks = verify_file(export(tmp_path, text, outputs), in_openvino=True)
        return next(check for check in checks if check.name == "outputs, in OpenVINO")

    for text in (FLOAT, QUANTIZED):
        right = verify(text)
        assert right.passed, right
        assert "of 1 layers run in integers in OpenVINO" in right.detail
    wrong = verify(FLOAT, INPUTS[:, :2])
    assert wrong.passed is False
    assert wrong.detail.startswith("OpenVINO must agree with torch")
    assert wrong.detail.endswith("it was exported for onnxruntime: nas export KEY --runtime 'openvino>=2025.0'")
    assert len(verify_file(export(tmp_path, FLOAT))) == len(verify_file(tmp_path / "net.onnx", in_openvino=True)) - 1


def test_openvino_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.profiling.openvino_model.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"an export for openvino, which is checked in it, needs OpenVINO"):
        open_openvino(b"")
    with pytest.raises(ValueError, match="--runtime openvino needs OpenVINO; in the folder of this project: pip"):
        verify_file(tmp_path / "none.onnx", in_openvino=True)
