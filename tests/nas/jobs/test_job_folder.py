"""Folders of jobs say in which format they are, and those of another are refused and left alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import onnx.parser
import pandas as pd
import pytest

from nas.jobs.job_folder import FORMAT, MANIFEST, open_job_folder
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.network_files import make_once

FIXTURE = Path(__file__).parents[2] / "fixtures" / "job_folder" / "small"


def test_a_new_folder_is_marked_and_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        with open_job_folder(tmp_path / "small"):
            assert json.loads((tmp_path / "small" / MANIFEST).read_text())["format"] == FORMAT


def test_a_folder_of_the_first_format_is_read_by_every_later_version(tmp_path: Path) -> None:
    """Its finished stages are taken as they are, which is said once; what is damaged from then on is found."""
    folder = shutil.copytree(FIXTURE, tmp_path / "small")
    (folder / "train-0a1b2c3d").mkdir()
    (folder / "train-0a1b2c3d" / "training.safetensors").write_bytes(b"unfinished")
    (folder / "profile-0a1b2c3d").mkdir()
    (folder / "profile-0a1b2c3d" / "latency.parquet").write_bytes(b"a table")
    export = folder / "export-0a1b2c3d"
    with open_job_folder(folder) as said:
        networks = make_once(export, lambda: pytest.fail("it is there"), lambda _: None)
    assert networks["role"].tolist() == ["best accuracy", "lowest latency_ms"]
    assert networks["key"].tolist() == ["00000000000000e1", "0000000000000001"]  # text, whatever they look like
    assert said == [
        f"export   {export} was finished before manifests were; taken as it is",
        f"profile  {folder / 'profile-0a1b2c3d'} was finished before manifests were; taken as it is",
    ]
    with open_job_folder(folder) as said:
        assert said == []
    (export / "networks.csv").write_text("role,key,file\n")
    with open_job_folder(folder), pytest.raises(ValueError, match="is damaged"):
        make_once(export, lambda: pytest.fail("it is there"), lambda _: None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda text: text.replace("97.2", "999"), "must be from 0 to 100"),
        (lambda text: text.replace("97.2", "many"), "networks.csv is damaged"),
        (lambda text: text.replace("role,", "part,"), "networks.csv is damaged"),
    ],
)
def test_a_table_of_before_is_believed_as_far_as_it_can_be(
    content: Callable[[str], str], words: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(FIXTURE, tmp_path / "small")
    table = folder / "export-0a1b2c3d" / "networks.csv"
    table.write_text(content(table.read_text()))
    with open_job_folder(folder), pytest.raises(ValueError, match=words):
        make_once(table.parent, lambda: pytest.fail("it is there"), lambda _: None)


@pytest.mark.parametrize("files", ["file\n../../x\n", "file\nnothing.onnx\n", "role\nbest\n", "file\n\x00\n"])
def test_a_stage_of_before_that_was_not_finished_is_none(files: str, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    folder = shutil.copytree(FIXTURE, tmp_path / "runs" / "small")
    (folder / "export-0a1b2c3d" / "networks.csv").write_text(files)
    with open_job_folder(folder) as said:
        assert said == []
    assert not StageFolder(folder / "export-0a1b2c3d").list_files()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "written by an older nas in a format that this one does not read; give the job another name"),
        ('{"format": 99}', "has format 99, and this nas reads 1 and 2; use the nas that wrote it"),
        ("{", "manifest.json is damaged"),
        ("[]", "manifest.json is damaged"),
        ("[" * 60_000, "manifest.json is damaged"),
        ("{" + " " * 70_000, "manifest.json is damaged"),
        ('{"format": true}', "has format True"),
        ('{"format": "1\\n"}', r"has format '1\\n'"),
    ],
)
def test_another_format_is_refused_and_left_alone(manifest: str | None, words: str, tmp_path: Path) -> None:
    (tmp_path / "train-0a1b2c3d").mkdir()
    if manifest is not None:
        (tmp_path / MANIFEST).write_text(manifest)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=words), open_job_folder(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} - {".lock"} == before


def test_a_table_that_is_not_recorded_as_finished_is_made_again_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "networks.csv").write_text("role,key,file\nbest,99,\n")
    made = pd.DataFrame({"role": ["best"], "key": ["1"], "file": ["best.onnx"]})

    def make() -> pd.DataFrame:
        model = onnx.parser.parse_model('<ir_version: 7, opset_import: ["" : 13]> g () => () {}')
        onnx.save(model, tmp_path / "best.onnx")
        for beside in ("best.json", "best.npz"):  # manifest and samples, which a stage holds by their digests alone
            (tmp_path / beside).write_text("{}")
        return made

    assert make_once(tmp_path, make, said.append).equals(made)
    assert make_once(tmp_path, lambda: pytest.fail("it is there"), said.append).equals(made)
    assert said == ["made again, as finished.json does not say that it was finished", "done before"]
