"""Jobs on a cluster that asks for a token: submitted, stopped, resumed; and every mistake in one line."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import yaml

from nas.jobs.cluster.jobs_api import Cluster
from nas.jobs.cluster.submission import RemoteOptions, prepare_submission
from nas.jobs.files.job import load_job
from results.database.results_database import ResultsDatabase

_PATIENCE_S = 600  # it takes seconds on an idle machine


def finished(cluster: Cluster, job: str) -> str:
    """Its status, once it is over."""
    deadline = time.monotonic() + _PATIENCE_S
    while (status := cluster.status(job)) in ("PENDING", "RUNNING"):
        if time.monotonic() > deadline:
            pytest.fail(f"job {job} is {status} after {_PATIENCE_S} s: {cluster.logs(job)}")
        time.sleep(0.5)
    return status


def test_a_job_is_submitted_stopped_and_resumed(
    ray_dashboard: str, job_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    runs = shutil.copytree(finished_run, tmp_path / "runs")
    changed = tmp_path / "job.yaml"
    search = {"searcher": "random", "quality": "measured", "evaluations": 4}
    changed.write_text(
        yaml.safe_dump(yaml.safe_load(job_file.read_text()) | {"search": search, "export": {"count": 1}})
    )
    url = f"sqlite:///{runs}/results.db"
    cluster = Cluster(ray_dashboard)
    job = cluster.submit(prepare_submission(load_job(changed), RemoteOptions(str(runs), url, 1), ship_data=False))
    assert job in [one["id"] for one in cluster.jobs()]
    with pytest.raises(ValueError, match=f"job {job} is (PENDING|RUNNING); stop it first: nas jobs stop {job}"):
        cluster.resume(job)
    cluster.stop(job)
    assert finished(cluster, job) == "STOPPED"
    resumed = cluster.resume(job)
    status = finished(cluster, resumed)
    logs = cluster.logs(resumed)
    assert status == "SUCCEEDED", logs
    assert "candidates of this supernet were measured before" in logs
    with ResultsDatabase(url) as database:
        stored = [len(database.evaluations(run)) for run in database.runs()["run"] if "/search-" in run]
    assert 4 in stored


def test_a_wrong_token_is_one_line(ray_dashboard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(ValueError, match=r"^the Ray cluster at http.* refuses: .*set RAY_AUTH_TOKEN to the cluster's"):
        Cluster(ray_dashboard).jobs()


def test_unknown_jobs_are_named_with_the_known_ones(ray_dashboard: str) -> None:
    with pytest.raises(ValueError, match=r"no job 'digits-1' at http.*; known jobs: "):
        Cluster(ray_dashboard).logs("digits-1")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:8265", "a cluster's dashboard is given like http://127.0.0.1:8265, got"),
        ("http://127.0.0.1:99999", "is given like"),
        ("http://127.0.0.1:9", "no Ray dashboard answers at http://127.0.0.1:9: Connection refused"),
    ],
)
def test_a_cluster_that_is_not_there(address: str, message: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match=message):
        Cluster(address)


def test_a_young_cluster_is_waited_for(ray_dashboard: str, job_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, answers = Cluster(ray_dashboard), ["No available agent to submit job", "No available agent to submit job"]

    def submit_job(**_: object) -> str:
        if answers:
            raise RuntimeError(answers.pop())
        return "taken"

    monkeypatch.setattr("nas.jobs.cluster.jobs_api.time.sleep", lambda _: None)
    monkeypatch.setattr(cluster._client, "submit_job", submit_job)
    wanted = prepare_submission(load_job(job_file), RemoteOptions("runs", None, 1), ship_data=False)
    assert cluster.submit(wanted) == "taken"
    answers.append("no such working directory")
    with pytest.raises(ValueError, match="refuses: no such working directory"):
        cluster.submit(wanted)
