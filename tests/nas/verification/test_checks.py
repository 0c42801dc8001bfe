"""What is wrong with a file is caught by the check that is for it, and by no other; what is right passes all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_files import FLOAT, INPUTS, QUANTIZED, export, to_model

from hardware.device import read_fingerprint
from hardware.profiling.stopwatch import Stopwatch
from nas.verification import timing
from nas.verification.check import find_failure
from nas.verification.checks import verify_file
from nas.verification.manifest import Latency, Size
from nas.verification.manifest_file import read_manifest, write_manifest
from nas.verification.sessions import open_session, run_session


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "Stopwatch", lambda **_: Stopwatch(rounds=(1, 1), turn_s=0.0, runs=1))


def failures(path: Path) -> list[str]:
    return [check.name for check in verify_file(path) if check.passed is False]


@pytest.mark.parametrize("text", [FLOAT, QUANTIZED])
def test_a_right_file_passes(text: str, tmp_path: Path) -> None:
    checks = verify_file(export(tmp_path, text))
    assert find_failure(checks) is None
    assert [check.name for check in checks if check.passed is None] == [f"latency, batch {n}" for n in (1, 8, 32)]


def test_a_byte_that_was_changed_is_found(tmp_path: Path) -> None:
    path = export(tmp_path, FLOAT)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    assert failures(path) == ["content"]
    path.write_bytes(content[:-1])
    assert failures(path) == ["content"]


def test_a_manifest_of_another_file_is_found(tmp_path: Path) -> None:
    path = export(tmp_path, FLOAT)
    manifest = read_manifest(path)
    write_manifest(replace(manifest, file=replace(manifest.file, sha256="0" * 64)), path.parent)
    assert failures(path) == ["content"]


@pytest.mark.parametrize("wrong", ["NaN", "inf"])
def test_a_weight_that_is_no_number_agrees_with_nothing(wrong: str, tmp_path: Path) -> None:
    right = run_session(open_session(to_model(FLOAT)), INPUTS)
    path = export(tmp_path, FLOAT, outputs=right)
    content = path.read_bytes().replace(np.float32(7).tobytes(), np.float32(wrong).tobytes())
    path.write_bytes(content)
    manifest = read_manifest(path)
    write_manifest(replace(manifest, file=type(manifest.file).of(path)), path.parent)
    assert failures(path) == ["outputs, as written", "outputs, optimised"]


def test_outputs_that_are_constant_or_no_numbers_say_nothing(tmp_path: Path) -> None:
    dead = FLOAT.replace("1, 2, 3, 4, 5, 6, 7, -8", "0, 0, 0, 0, 0, 0, 0, 0")
    right = run_session(open_session(to_model(FLOAT)), INPUTS)
    for text, outputs in ((dead, None), (dead, right), (FLOAT, right * np.nan)):
        assert failures(export(tmp_path, text, outputs=outputs)) == ["outputs, as written", "outputs, optimised"]


def test_a_tensor_that_nobody_reads_is_named(tmp_path: Path) -> None:
    path = export(tmp_path, FLOAT.replace("<float[4, 2]", "<float[1] spare = {1}, float[4, 2]"))
    failed = find_failure(verify_file(path))
    assert failed is not None
    assert (failed.name, failed.detail) == (
        "stored tensors",
        "all must be read by a node, and nothing reads spare",
    )


# A convolution whose input is rounded, with a step for all channels or one for each, and whose output may be rounded.
CONVOLUTION = """
    g (float[n, 4] images) => (float[n, 2, 1] logits)
    <float step = {{0.01}}, uint8 zero = {{128}}, {stored}, int64[3] shape = {{0, 4, 1}}> {{
        images3 = Reshape (images, shape)
        rounded = QuantizeLinear (images3, step, zero)
        read = DequantizeLinear (rounded, step, zero)
        {body}
    }}"""
NUMBERS = "[2, 4, 1] weight = {1, 2, 3, 4, 5, 6, 7, -8}"
CODES = f"int8{NUMBERS}, float[2] steps = {{0.5, 0.25}}, int8[2] zeros = {{0, 0}}"
OUT = ", float out = {0.07}"
ROUNDED = "codes = QuantizeLinear (sums, out, zero) logits = DequantizeLinear (codes, out, zero)"
READ = "real = DequantizeLinear <axis = 0> (weight, steps, zeros)"


def test_a_quantised_layer_that_runs_in_floating_point_is_counted(tmp_path: Path) -> None:
    floating = CONVOLUTION.format(stored=CODES, body=f"{READ} logits = Conv (read, real)")
    assert failures(export(tmp_path, floating)) == []
    assert failures(export(tmp_path, floating, integer_layers=1, float_layers=0)) == ["integer layers"]
    integer = CONVOLUTION.format(stored=CODES + OUT, body=f"{READ} sums = Conv (read, real) {ROUNDED}")
    assert failures(export(tmp_path, integer)) == []
    assert read_manifest(export(tmp_path, integer)).integer_layers == 1


def test_a_layer_whose_weight_onnxruntime_rounds_by_itself_is_found(tmp_path: Path) -> None:
    path = export(
        tmp_path, CONVOLUTION.format(stored=f"float{NUMBERS}{OUT}", body=f"sums = Conv (read, weight) {ROUNDED}")
    )
    assert read_manifest(path).float_layers == 1
    failed = {check.name: check.detail for check in verify_file(path) if check.passed is False}
    assert "onnxruntime rounds a layer that is none of integers" in failed["integer layers"]


def test_a_file_that_is_larger_than_its_policy_is_told(tmp_path: Path) -> None:
    path = export(tmp_path, FLOAT)
    manifest = read_manifest(path)
    write_manifest(replace(manifest, size=Size(8, manifest.size.overhead_bytes)), path.parent)
    assert failures(path) == ["size"]


@pytest.mark.parametrize(
    ("device", "threads", "said"),
    [
        ("onnxruntime_cpu on CPU, batch 8", 1, None),
        ("openvino_cpu on CPU", 1, "by another runtime"),
        ("onnxruntime_cpu on CPU, threads 2", 2, "with 2 threads and not one"),
        ("onnxruntime_cpu on CPU-2", 1, "on another processor than"),
        ("onnxruntime_cpu on a Z80", 1, "on another processor than"),
    ],
)
def test_latency_is_compared_with_that_of_the_same_device_alone(
    device: str, threads: int, said: str | None, tmp_path: Path
) -> None:
    promised = Latency(device.replace("CPU", read_fingerprint()["cpu"]), 1, threads, 1e-9, None)
    checks = verify_file(export(tmp_path, FLOAT, latency=promised))
    assert checks[-3].passed is (False if said is None else None)
    assert said is None or f", {said}" in checks[-3].detail
    assert checks[-3].detail.count(", with ") + checks[-3].detail.count(", on another") <= 1
