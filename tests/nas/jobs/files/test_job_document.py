"""What a run keeps of its job can be read elsewhere, names no code, and is refused where it is something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.jobs.files.job import Job
from nas.jobs.files.job_document import keep_job, restore_job
from nas.jobs.files.section import check_section

GIVEN = {
    "name": "one",
    "data": {"source": "photos"},
    "space": {"network": "nets:make", "weights": "w.safetensors", "inputs": [1, 8, 8], "policies": ["w8a8", "w4a8"]},
    "compression": {"repair": "light"},
}


def test_a_job_is_restored_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = Path("runs/one/network-1/network.safetensors")
    network.parent.mkdir(parents=True)
    network.touch()
    kept = json.loads(json.dumps(keep_job(check_section(GIVEN, Job, "job"), (network, "make-1"))))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    restored = restore_job(kept, tmp_path / "runs", "one/search-1")
    job = restored.job
    assert restored.network == "make-1"
    assert job.data.source == str(tmp_path / "photos")
    assert (job.space.stored, job.space.weights, job.space.inputs) == (tmp_path / network, None, None)
    assert job.compression.repair == "light"
    assert job.space.described() == check_section(GIVEN, Job, "job").space.described()  # by which runs are named
    (tmp_path / "runs").rename(tmp_path / "moved")
    moved = restore_job(kept, tmp_path / "moved", "one/search-1").job
    assert moved.space.stored == tmp_path / "moved" / "one" / "network-1" / "network.safetensors"


def test_code_of_a_database_is_not_run() -> None:
    metrics = {"ink": {"function": "measures:ink", "maximize": False}}
    job = check_section(GIVEN | {"task": {"loss": "losses:focal", "outputs": 3, "metrics": metrics}}, Job, "job")
    kept = keep_job(job, (Path("network.safetensors"), "make-1"))
    message = (
        r"run 'r' was made with code, task\.loss: 'losses:focal', which is only run by a job file; name it by --job"
    )
    with pytest.raises(ValueError, match=message):
        restore_job(kept, Path("runs"), "r")


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({}, "run 'r' is of a version of nas whose runs kept no job; name its job file by --job FILE"),
        ({"format": 2, "job": {}}, "must have kept a job of format 1, got format 2"),
        ({"format": 1, "job": []}, "must have kept a job of format 1, got format 1"),
        ({"format": 1, "job": {"name": "x", "space": {}, "colour": 3}}, "the job of run 'r': .*unknown key 'colour'"),
        ({"format": 1, "job": {"name": "x\n"}}, "the job of run 'r': name: text should be one line"),
    ],
)
def test_what_is_no_job_is_refused(kept: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        restore_job(kept, Path("runs"), "r")
    assert "\n" not in str(caught.value)
