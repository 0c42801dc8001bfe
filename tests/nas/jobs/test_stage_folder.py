"""What lies in the folder of a stage is believed only as long as it is, byte by byte, what the stage left."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from fuzzer import find_refusal
from mutations import mutate_bytes, mutate_json

from nas.jobs.stage_folder import MANIFEST, StageFolder

CONTENT = {"networks.csv": b"role,accuracy\nbest,98.5\n", "best.onnx": bytes(range(256)) * 9, "empty": b""}


@pytest.fixture
def stage(tmp_path: Path) -> StageFolder:
    """A finished stage with three files."""
    folder = tmp_path / "export-0a1b2c3d"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    made = StageFolder(folder)
    made.record(*CONTENT, about={"opset": 13})
    return made


def test_what_was_recorded_is_held(stage: StageFolder) -> None:
    assert stage.holds(*CONTENT)
    assert stage.list_files() == CONTENT.keys()
    assert not stage.holds("networks.csv", "pareto.html")
    (stage.path / "pareto.html").write_text("a page")
    assert not stage.holds("pareto.html")  # it is there, and nobody says that it is whole
    stage.record("pareto.html")
    assert stage.holds(*CONTENT, "pareto.html")
    assert json.loads((stage.path / MANIFEST).read_text())["about"] == {"opset": 13}


def test_nothing_is_held_where_nothing_was_finished(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert not StageFolder(folder).holds("networks.csv")
        assert StageFolder(folder).list_files() == frozenset()


def _swap(folder: Path) -> None:
    (folder / "best.onnx").rename(folder / "other")
    (folder / "networks.csv").rename(folder / "best.onnx")
    (folder / "other").rename(folder / "networks.csv")


def _replace(folder: Path, make: Callable[[Path], object]) -> None:
    (folder / "best.onnx").unlink()
    make(folder / "best.onnx")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "best.onnx").unlink(), "best.onnx is missing"),
        (lambda folder: (folder / "best.onnx").write_bytes(b""), "it has 0 bytes, and had 2,304"),
        (lambda folder: (folder / "best.onnx").write_bytes(CONTENT["best.onnx"][:1000]), "it has 1,000 bytes"),
        (
            lambda folder: (folder / "networks.csv").write_text("role,accuracy\nbest,99.9\n"),
            "its content is not",
        ),
        (lambda folder: (folder / "empty").write_bytes(b"x"), "it has 1 bytes, and had 0"),
        (_swap, "is damaged"),
        (lambda folder: _replace(folder, Path.mkdir), "best.onnx is a folder"),
        (lambda folder: _replace(folder, os.mkfifo), "best.onnx is a pipe or a device"),
    ],
)
def test_what_is_damaged_is_said_with_what_to_do(
    damage: Callable[[Path], object], words: str, stage: StageFolder
) -> None:
    damage(stage.path)
    with pytest.raises(ValueError, match=rf"{MANIFEST}; put back what was there, or delete .*0a1b2c3d and start") as no:
        stage.holds("networks.csv")
    assert words in str(no.value)
    assert str(stage.path) in str(no.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"null", b"\xff", b"[" * 100_000, b"{}", b'{"format": 2}', b" " * (2 << 20)],
)
def test_a_damaged_manifest_is_said(content: bytes, stage: StageFolder) -> None:
    (stage.path / MANIFEST).write_bytes(content)
    for use in (stage.list_files, stage.holds, lambda: stage.record("empty")):
        with pytest.raises(ValueError, match=rf"{MANIFEST} is damaged .*; put back what was there, or delete") as no:
            use()
        assert str(no.value).isprintable()
    assert (stage.path / MANIFEST).read_bytes() == content


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", "..", ".", "", "a\nb"])
def test_a_manifest_names_files_of_its_folder_alone(name: str, stage: StageFolder) -> None:
    document = json.loads((stage.path / MANIFEST).read_text())
    document["files"][name] = document["files"]["empty"]
    (stage.path / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(ValueError, match="is damaged") as no:
        stage.holds()
    assert str(no.value).isprintable()


def test_whatever_is_changed_is_found(stage: StageFolder, tmp_path: Path) -> None:
    rng, kept = Random(0), shutil.copytree(stage.path, tmp_path / "kept")
    names = [MANIFEST, *CONTENT]
    document = json.loads((stage.path / MANIFEST).read_text())
    for number in range(150):
        name = names[number % len(names)]
        before = (kept / name).read_bytes()
        changed = mutate_bytes(before, rng)
        if number % 8 == 0:
            changed = json.dumps(mutate_json(document, rng)).encode()
        same = changed == before or (name == MANIFEST and _means(changed) == document)
        (stage.path / name).write_bytes(changed)
        line = find_refusal(lambda: stage.holds(*CONTENT))
        assert (line is None) == same, (name, changed)
        assert line is None or name in line or MANIFEST in line
        (stage.path / name).write_bytes(before)


def _means(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None
