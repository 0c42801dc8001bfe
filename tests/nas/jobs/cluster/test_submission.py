"""What is submitted to a cluster: the job as it is read there, what is sent along, and the command."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nas.jobs.cluster.submission import RemoteOptions, Submission, prepare_submission
from nas.jobs.files.job import load_job

REMOTE = RemoteOptions("runs", None, 2)


def test_data_are_shipped_or_named(job_file: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    job = load_job(job_file, str(images))
    shipped = prepare_submission(job, REMOTE, ship_data=True)
    assert str(images) in shipped.shipped
    assert yaml.safe_load(shipped.job)["data"]["source"] == "images"
    assert Submission.from_json(shipped.to_json()) == shipped
    there = prepare_submission(job, REMOTE, ship_data=False)
    assert yaml.safe_load(there.job)["data"]["source"] == str(images)
    with pytest.raises(ValueError, match="to be sent to the cluster and is not there"):
        prepare_submission(load_job(job_file, str(tmp_path / "none")), REMOTE, ship_data=True)


def test_a_submission_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="submitted by another version of nas; submit its file again"):
        Submission.from_json('{"job": "", "name": "small", "runs": "runs"}')


def test_the_command_says_who_works_and_where(job_file: Path) -> None:
    here = prepare_submission(load_job(job_file), REMOTE, ship_data=False)
    assert here.entrypoint == 'exec nas run job.yaml --ray-address auto --workers 2 --runs "runs"'
    on_gpus = RemoteOptions("runs", "postgresql://db/nas", 4, gpus_per_worker=0.5)
    command = prepare_submission(load_job(job_file), on_gpus, ship_data=False).entrypoint
    assert command.endswith('--workers 4 --gpus-per-worker 0.5 --runs "runs" --database postgresql://db/nas')
    with pytest.raises(ValueError, match="GPU"):
        RemoteOptions("runs", None, 1, gpus_per_worker=-0.5)
