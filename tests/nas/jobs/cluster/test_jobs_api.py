"""Jobs on a cluster that asks for a token: submitted, stopped, resumed; what is shown of them, and what is not."""

from __future__ import annotations

import json
import shutil
import time
from base64 import b64encode
from pathlib import Path

import pytest
import yaml
from fake_dashboard import FakeDashboard
from typer.testing import CliRunner

from nas.cli.main import app
from nas.jobs.cluster.jobs_api import Cluster
from nas.jobs.cluster.submission import RemoteOptions, Submission, prepare_submission
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


def submission(job_file: Path, database: str | None = None) -> Submission:
    """The small job, whose table is sent."""
    return prepare_submission(load_job(job_file), RemoteOptions("$HOME/runs", database, 1), ship_data=False)


@pytest.mark.parametrize("form", ["postgresql://me:{}@db/results", "postgresql://me@db/results?password={}"])
def test_the_password_of_the_database_is_in_the_package_and_nowhere_else(
    form: str, dashboard: FakeDashboard, job_file: Path
) -> None:
    url = form.format("hunter2")
    job = Cluster(dashboard.address).submit(submission(job_file, url))
    assert "hunter2" not in json.dumps(dashboard.jobs)
    assert dashboard.jobs[job]["entrypoint"].endswith(" --database @sent.database/url")
    assert dashboard.sent(job)["sent.database/url"] == url.encode()


def test_the_commands_submit_list_and_resume(dashboard: FakeDashboard, job_file: Path) -> None:
    runner = CliRunner(env={"RAY_ADDRESS": dashboard.address, "NAS_DATABASE": "postgresql://me:hunter2@db/results"})

    def called(*arguments: str) -> str:
        result = runner.invoke(app, [*arguments], catch_exceptions=False)
        return result.stdout.splitlines()[-1]

    job = called("submit", str(job_file), "--runs", "$HOME/my runs", "--workers", "3", "--shared-files")
    assert dashboard.jobs[job]["entrypoint"] == (
        "exec nas run job.yaml --ray-address auto --workers 3 --expand --runs '$HOME/my runs' "
        "--database @sent.database/url"
    )
    assert set(dashboard.sent(job)) == {"job.yaml", "sent.database/url"}
    assert called("jobs", "list") == f"{job}  SUCCEEDED"
    again = called("jobs", "resume", job)
    assert dashboard.jobs[again]["runtime_env"] == dashboard.jobs[job]["runtime_env"]


def test_a_resumed_job_is_given_what_the_cluster_has_of_it(dashboard: FakeDashboard, job_file: Path) -> None:
    cluster = Cluster(dashboard.address)
    first = cluster.submit(submission(job_file))
    again = cluster.resume(first)
    assert again != first
    for key in ("entrypoint", "runtime_env", "metadata"):
        assert dashboard.jobs[again][key] == dashboard.jobs[first][key]
    dashboard.packages.clear()
    with pytest.raises(ValueError, match=r"no longer has the files that were sent with job .*; submit its file again"):
        cluster.resume(first)


def test_a_job_of_which_nothing_else_was_sent_is_always_resumed(dashboard: FakeDashboard, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("{name: mine, space: {name: resnet_digits, policies: [w32a32]}}")
    cluster = Cluster(dashboard.address)
    first = cluster.submit(submission(tmp_path / "job.yaml"))
    dashboard.packages.clear()
    again = cluster.resume(first)
    assert yaml.safe_load(dashboard.sent(again)["job.yaml"])["name"] == "mine"
    assert dashboard.jobs[again]["entrypoint"] == dashboard.jobs[first]["entrypoint"]


@pytest.mark.parametrize(
    "place", ["{}", "file://{}", "local://{}", "gcs://{}", "gcs://../{}", "gcs://_ray_pkg_/{}.zip"]
)
def test_no_file_that_the_cluster_names_is_read(
    place: str, dashboard: FakeDashboard, job_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("private")
    cluster = Cluster(dashboard.address)
    job = cluster.submit(submission(job_file))
    dashboard.packages.clear()
    shown = dashboard.jobs[job]
    shown["runtime_env"] = {"working_dir": place.format(tmp_path / "secret"), "py_modules": [str(tmp_path / "secret")]}
    shown["metadata"]["nas"] = json.dumps(
        {**json.loads(shown["metadata"]["nas"]), "shipped": [str(tmp_path / "secret")]}
    )
    with pytest.raises(ValueError, match="submit its file again"):
        cluster.resume(job)
    assert dashboard.packages == {}
    shown["metadata"]["nas"] = json.dumps({"version": 1, "name": "a", "job": "", "shipped": [str(tmp_path / "secret")]})
    with pytest.raises(ValueError, match="submitted by another version of nas; submit its file again"):
        cluster.resume(job)
    assert (dashboard.packages, list(dashboard.jobs)) == ({}, [job])


def test_a_user_and_a_password_before_the_address_are_sent_and_not_shown(dashboard: FakeDashboard) -> None:
    cluster = Cluster(dashboard.address.replace("//", "//me:hunter%402@"))
    assert cluster.jobs() == []
    assert set(dashboard.headers) == {f"Basic {b64encode(b'me:hunter@2').decode()}"}
    with pytest.raises(ValueError, match=f"no job 'a' at {dashboard.address};"):
        cluster.status("a")


def test_a_token_that_is_none_is_not_shown(dashboard: FakeDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    for token in ("hunter2\nhunter2", "hünter2"):
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
        with pytest.raises(ValueError, match=r"token, in RAY_AUTH_TOKEN or in .*, must be one word of ASCII") as caught:
            Cluster(dashboard.address)
        assert "nter2" not in str(caught.value)


def test_a_message_of_the_cluster_is_one_line_that_a_terminal_does_not_obey(
    dashboard: FakeDashboard, job_file: Path
) -> None:
    cluster = Cluster(dashboard.address)
    job = cluster.submit(submission(job_file))
    dashboard.jobs[job]["message"] = "lost\n\x1b[2Jnode"
    assert cluster.jobs() == [{"id": job, "status": "SUCCEEDED", "message": "lost \\x1b[2Jnode"}]


def test_logs_are_lines_that_a_terminal_does_not_obey(dashboard: FakeDashboard, job_file: Path) -> None:
    cluster = Cluster(dashboard.address)
    job = cluster.submit(submission(job_file))
    dashboard.jobs[job]["logs"] = "é\ta\r\n\x1b]0;title\x07\x9b2Jb\n"
    assert cluster.logs(job) == "é\ta\n\\x1b]0;title\\x07\\x9b2Jb\n"


def test_few_of_many_jobs_are_named(dashboard: FakeDashboard, job_file: Path) -> None:
    cluster = Cluster(dashboard.address)
    jobs = [cluster.submit(submission(job_file)) for _ in range(7)]
    with pytest.raises(ValueError, match=f"no job 'other' at .*; known jobs: {', '.join(jobs[-5:])}, ...$"):
        cluster.logs("other")


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
        ("http://me:hunter2@127.0.0.1:9", "no Ray dashboard answers at http://127.0.0.1:9: Connection refused"),
        ("http://me:hunter2", "is given like"),
        ("http://me:hunt@hunter2@127.0.0.1:port", "is given like"),
        ("http://127.0.0.1/?token=hunter2", "is given like"),
        ("http://[me:hunter2@127.0.0.1:9", "is given like"),
        ("me:hunter2@127.0.0.1:9", "is given like"),
    ],
)
def test_a_cluster_that_is_not_there(address: str, message: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match=message) as caught:
        Cluster(address)
    assert "hunter2" not in str(caught.value)


def test_a_young_cluster_is_waited_for(
    dashboard: FakeDashboard, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, answers = Cluster(dashboard.address), ["No available agent to submit job"] * 2

    def submit_job(**_: object) -> str:
        if answers:
            raise RuntimeError(answers.pop())
        return "taken"

    monkeypatch.setattr("nas.jobs.cluster.jobs_api.time.sleep", lambda _: None)
    monkeypatch.setattr(cluster._client, "submit_job", submit_job)
    assert cluster.submit(submission(job_file)) == "taken"
    answers.append("no such working directory")
    with pytest.raises(ValueError, match="refuses: no such working directory"):
        cluster.submit(submission(job_file))
