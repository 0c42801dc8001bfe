"""Jobs on a Ray cluster, by its Jobs API: submitted, watched, stopped and resumed from anywhere."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from nas.cluster import import_ray
from nas.jobs.cluster.submission import Submission

_ANSWER_S = 5  # how long to wait for a connection to the dashboard
_AGENT_S = 120.0  # how long to wait until a node of a cluster that has just started accepts jobs
_NO_AGENT = "No available agent"  # part of Ray's message while no node accepts jobs
_TOKEN = "RAY_AUTH_TOKEN"
_TOKEN_FILE = Path("~/.ray/auth_token")
_METADATA = "nas"  # key of a Ray job's metadata that holds the `Submission`, with which it can be submitted again
_WAITING = ("PENDING", "RUNNING")  # the statuses of a job that has not ended


class Cluster:
    """The Jobs API of a Ray cluster.

    Args:
        address: Address of the cluster's dashboard, such as `http://127.0.0.1:8265`.

    Raises:
        ValueError: Here and in every method: if nothing answers at the address, the token is refused, or a job is
            unknown.
    """

    def __init__(self, address: str) -> None:
        self._ray = import_ray()
        from ray.job_submission import JobSubmissionClient

        _check_reachable(address)
        self._address = address
        with self._one_line():
            self._client = JobSubmissionClient(address, headers=_authorization())

    def submit(self, wanted: Submission) -> str:
        """Starts a job; returns its id."""
        with tempfile.TemporaryDirectory() as folder, self._one_line():
            (Path(folder) / "job.yaml").write_text(wanted.job)
            for one in wanted.shipped:
                source, target = Path(one), Path(folder) / Path(one).name
                shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
            return self._submit_when_ready(
                entrypoint=wanted.entrypoint,
                submission_id=f"{wanted.name}-{uuid4().hex[:6]}",
                runtime_env={"working_dir": folder},
                metadata={_METADATA: wanted.to_json()},
            )

    def _submit_when_ready(
        self, *, entrypoint: str, submission_id: str, runtime_env: dict[str, str], metadata: dict[str, str]
    ) -> str:
        """Submits a job, and tries again while the dashboard answers but no node of the cluster accepts jobs yet."""
        deadline = time.monotonic() + _AGENT_S
        while True:
            try:
                return str(
                    self._client.submit_job(
                        entrypoint=entrypoint,
                        submission_id=submission_id,
                        runtime_env=runtime_env,
                        metadata=metadata,
                    )
                )
            except RuntimeError as error:
                if _NO_AGENT not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(1.0)

    def resume(self, job: str) -> str:
        """Submits a job again, which then continues where it ended; returns the new id.

        Raises:
            ValueError: Also if the job has not ended yet, or was not submitted by this program.
        """
        details = self._details(job)
        if details.status.value in _WAITING:
            raise ValueError(f"job {job} is {details.status.value}; stop it first: nas jobs stop {job}")
        stored = (details.metadata or {}).get(_METADATA)
        if stored is None:
            raise ValueError(f"job {job} was not submitted by nas submit")
        return self.submit(Submission.from_json(stored))

    def jobs(self) -> list[dict[str, str]]:
        """Every job of this program, oldest first: id, status, message."""
        with self._one_line():
            found = self._client.list_jobs()
        ours = [one for one in found if _METADATA in (one.metadata or {})]
        ours.sort(key=lambda one: one.start_time or 0)
        return [
            {"id": str(one.submission_id), "status": one.status.value, "message": one.message or ""} for one in ours
        ]

    def status(self, job: str) -> str:
        """PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""
        return str(self._details(job).status.value)

    def logs(self, job: str) -> str:
        """The output of a job so far."""
        self._details(job)
        with self._one_line():
            return str(self._client.get_job_logs(job))

    def stop(self, job: str) -> None:
        """Stops a job; `resume` continues it."""
        self._details(job)
        with self._one_line():
            self._client.stop_job(job)

    def _details(self, job: str) -> Any:
        known = [one["id"] for one in self.jobs()]
        if job not in known:
            raise ValueError(f"no job {job!r} at {self._address}; known jobs: {', '.join(known) or 'none yet'}")
        with self._one_line():
            return self._client.get_job_info(job)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Turns exceptions of Ray's client in the block into a ValueError of one line."""
        try:
            yield
        except (RuntimeError, ConnectionError, self._ray.exceptions.RayError) as error:
            reason = next(line for line in str(error).splitlines() if line.strip()).strip()
            advice = f"; set {_TOKEN} to the cluster's token" if "uthenticat" in reason else ""
            raise ValueError(f"the Ray cluster at {self._address} refuses: {reason}{advice}") from error


def _authorization() -> dict[str, str]:
    """The header with the cluster's token: from the environment, else from the file in which Ray keeps it."""
    file = Path(os.environ.get(f"{_TOKEN}_PATH", _TOKEN_FILE)).expanduser()
    token = os.environ.get(_TOKEN) or (file.read_text().strip() if file.exists() else "")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _check_reachable(address: str) -> None:
    """Checks the form of an address and that something answers there; Ray's client would retry for long.

    Raises:
        ValueError: If the address has another form, or nothing answers.
    """
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        raise ValueError(f"a cluster's dashboard is given like http://127.0.0.1:8265, got {address!r}")
    try:
        socket.create_connection((parts.hostname, port), _ANSWER_S).close()
    except OSError as error:
        raise ValueError(f"no Ray dashboard answers at {address}: {error.strerror or error}") from error
