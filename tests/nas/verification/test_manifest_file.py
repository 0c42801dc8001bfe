"""A manifest is read back as it was written; what is something else is said in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas.verification.manifest import Latency, Manifest, Size, StoredFile, Target, Value
from nas.verification.manifest_file import read_manifest, read_samples, write_manifest, write_samples


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "net.onnx").write_bytes(b"model")
    samples = write_samples(tmp_path / "net.npz", np.ones((2, 3), np.float32), np.zeros((2, 1), np.float32))
    return Manifest(
        StoredFile.of(tmp_path / "net.onnx"),
        samples,
        candidate="ab12",
        form="mixed",
        kind="quantized",
        policies={"stem": "w8a8"},
        target=Target("onnxruntime", (1, 20), 18, None, "packed"),
        metrics={"accuracy": Value(98.0, None, "test")},
        latency=Latency("a machine", 1, 1, 0.5, None),
        size=Size(120.5, 300),
        integer_layers=1,
        float_layers=0,
        output_step=0.25,
        versions={"torch": "2.13.0"},
    )


def test_a_manifest_is_read_as_it_was_written(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path)
    found = read_manifest(tmp_path / "net.onnx")
    assert found == manifest
    inputs, outputs = read_samples(tmp_path / "net.onnx", found)
    assert (inputs.tolist(), outputs.tolist()) == ([[1.0] * 3] * 2, [[0.0]] * 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"ab12"', '"ab13"', "its digest is that of something else"),
        ('"format": 1', '"format": 2', "its format is 2, and nas .* reads format 1"),
        ("{", "[", "is damaged"),
        ('"sha256"', '"md5"', "it is no manifest of an exported file"),
        ("98.0", "NaN", "its digest is that of something else"),
    ],
)
def test_a_changed_or_foreign_manifest_is_refused(
    old: str, new: str, said: str, manifest: Manifest, tmp_path: Path
) -> None:
    path = write_manifest(manifest, tmp_path)
    text = path.read_text()
    path.write_text(text[: text.rindex(old)] + new + text[text.rindex(old) + len(old) :])
    with pytest.raises(ValueError, match=said):
        read_manifest(tmp_path / "net.onnx")


def test_a_manifest_of_another_program_with_the_right_digest_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    path = write_manifest(replace(manifest, kind="fp16"), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kind must be 'fp32' or 'quantized', got 'fp16'"):
        read_manifest(tmp_path / "net.onnx")
    path.unlink()
    with pytest.raises(ValueError, match=r"must have its manifest beside it, and .*net\.json is not there"):
        read_manifest(tmp_path / "net.onnx")


def test_samples_that_were_changed_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "net.npz").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"net\.npz is damaged"):
        read_samples(tmp_path / "net.onnx", manifest)


def test_documents_are_json(manifest: Manifest, tmp_path: Path) -> None:
    assert json.loads(write_manifest(manifest, tmp_path).read_text())["target"]["oldest"] == [1, 20]
