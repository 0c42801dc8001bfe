"""Folders of jobs say in which format they are, and those of another are refused and left alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nas.jobs.job_folder import FORMAT, MANIFEST, open_job_folder
from nas.jobs.stages.network_files import make_once

FIXTURE = Path(__file__).parents[2] / "fixtures" / "job_folder" / "small"


def test_a_new_folder_is_marked_and_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        with open_job_folder(tmp_path / "small"):
            assert json.loads((tmp_path / "small" / MANIFEST).read_text())["format"] == FORMAT


def test_a_folder_of_the_first_format_is_read_by_every_later_version(tmp_path: Path) -> None:
    folder = shutil.copytree(FIXTURE, tmp_path / "small")
    with open_job_folder(folder):
        networks = make_once(folder / "export-0a1b2c3d", lambda: pytest.fail("it is there"), lambda: None)
    assert networks["role"].tolist() == ["best accuracy", "lowest latency_ms"]
    assert networks["key"].tolist() == ["00000000000000e1", "0000000000000001"]  # text, whatever they look like


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "written by an older nas in a format that this one does not read; give the job another name"),
        ('{"format": 99}', "has format 99, and this nas reads 1; use the nas that wrote it"),
        ("{", "manifest.json is damaged"),
        ("[]", "manifest.json is damaged"),
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
