"""What is submitted to a cluster: the command, what is shown of it, and what travels in the package."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.jobs.cluster.submission import Compression, RemoteOptions, Submission, prepare_submission, read_metadata
from nas.jobs.files.job import Job, load_job


def submission(job_file: Path, runs: str = "/runs", database: str | None = None) -> Submission:
    """The small job for two workers."""
    return prepare_submission(load_job(job_file), RemoteOptions(runs, database, 2), ship_data=False)


def given_job(**sections: Any) -> Job:
    """A job with a given network, which is not there, and other sections."""
    space = {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w8a8"]}
    return Job.model_validate({"name": "given", "space": space, **sections})


def test_the_command_says_who_works_and_where(job_file: Path) -> None:
    here = "exec nas run job.yaml --ray-address auto --workers 2 --expand --runs"
    assert submission(job_file).entrypoint == f"{here} /runs"
    assert submission(job_file, "runs").entrypoint == f"{here} {shlex.quote(str(Path.cwd() / 'runs'))}"
    on_gpus = RemoteOptions("/runs", None, 4, gpus_per_worker=0.5)
    command = prepare_submission(load_job(job_file), on_gpus, ship_data=False).entrypoint
    assert "--workers 4 --gpus-per-worker 0.5 " in command
    with pytest.raises(ValueError, match="GPU"):
        RemoteOptions("runs", None, 1, gpus_per_worker=-0.5)


def test_the_command_may_be_compress_with_its_options(job_file: Path, refusal: Callable[..., str]) -> None:
    job = load_job(job_file)

    def entrypoint(compression: Compression) -> str:
        return prepare_submission(job, RemoteOptions("/runs", None, 2, compression=compression), False).entrypoint

    end = "--ray-address auto --workers 2 --expand --runs /runs"
    full = entrypoint(Compression("full", "12ab"))
    assert full == f"exec nas compress job.yaml --preset full --candidate 12ab {end}"
    remote = RemoteOptions("/runs", None, 2, compression=Compression())
    assert prepare_submission(given_job(), remote, False).entrypoint == f"exec nas compress job.yaml {end}"
    assert "--preset and --candidate are options of nas compress; add --compress" in refusal(
        "submit", str(job_file), "--preset", "full"
    )


@pytest.mark.parametrize(
    ("job", "options", "words"),
    [
        ({}, ("heavy", None), "--preset must be light, full or finetune, got 'heavy'"),
        ({}, (None, "12ab"), "--candidate names a network of a supernet; space.network of the job is a given one"),
        ({"space": {"name": "resnet_digits", "policies": ["w8a8"]}}, (None, None), "nas compress is for a trained net"),
        ({"compression": {"calibration": "data_free"}}, ("finetune", None), "this job has no section data"),
        ({"search": {"quality": "predicted"}}, (None, None), "leave out search.quality"),
    ],
)
def test_what_nas_compress_cannot_run_is_refused_here(
    job: dict[str, Any], options: tuple[str | None, str | None], words: str
) -> None:
    remote = RemoteOptions("/runs", None, 2, compression=Compression(*options))
    with pytest.raises(ValueError, match=words):
        prepare_submission(given_job(**job), remote, ship_data=False)


@pytest.mark.parametrize(
    "runs", ["$HOME/runs", "$(touch ran)", "`touch ran`", '"; touch ran; "', "'; touch ran; '", "~/a b"]
)
def test_the_shell_of_the_cluster_runs_and_expands_nothing(runs: str, job_file: Path, tmp_path: Path) -> None:
    command = submission(job_file, runs).entrypoint.replace("exec nas", "exec printf '%s\\n'", 1)
    words = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert words.splitlines()[-1] == (runs if runs[0] in "$~" else str(Path.cwd() / runs))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "travels"),
    [
        ("postgresql://me:hunter2@db/results", "postgresql://me:hunter2@db/results"),
        ("postgresql://me@db/results?password=hunter2&sslmode=require", None),
        ("postgresql+psycopg://me:hunter%202@db/results", None),
        ("sqlite:////data/results.db", None),
        ("sqlite:///results.db", f"sqlite:///{Path.cwd()}/results.db"),
    ],
)
def test_the_database_travels_in_a_file_that_only_its_owner_reads(
    given: str, travels: str | None, job_file: Path
) -> None:
    wanted = submission(job_file, database=given)
    assert wanted.texts["sent.database/url"] == (travels or given)
    assert "hunter2" not in f"{wanted.entrypoint}{wanted.metadata}{wanted!r}{RemoteOptions('', given, 1)!r}"
    assert wanted.entrypoint.endswith(" --database @sent.database/url")


@pytest.mark.parametrize(
    "given", ["postgresql://me:hunter2", "me:hunter2@db", "sqlite://", "sqlite:///$HOME/results.db"]
)
def test_a_database_that_a_cluster_cannot_use_is_refused_here(given: str, job_file: Path) -> None:
    with pytest.raises(ValueError, match="database") as caught:
        submission(job_file, database=given)
    assert "hunter2" not in str(caught.value)


def test_metadata_hold_what_may_be_shown_and_lead_to_no_file(job_file: Path, tmp_path: Path) -> None:
    whole = submission(job_file)
    again = read_metadata(whole.metadata, whole.entrypoint)
    assert (again.name, again.entrypoint, again.texts, again.files) == ("small", whole.entrypoint, {}, {})
    (tmp_path / "job.yaml").write_text("{name: mine, space: {name: resnet_digits, policies: [w32a32]}}")
    alone = submission(tmp_path / "job.yaml")
    assert read_metadata(alone.metadata, alone.entrypoint) == alone
    assert yaml.safe_load(alone.job)["name"] == "mine"
    for text in ('{"version": 1, "job": "", "name": "a", "shipped": []}', "[]", "null", "no JSON", '{"version": 2}'):
        with pytest.raises(ValueError, match="submitted by another version of nas; submit its file again"):
            read_metadata(text, "")
