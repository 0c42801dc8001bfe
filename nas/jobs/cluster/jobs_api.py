"""Jobs on a Ray cluster, by its Jobs API: submitted, watched, stopped and resumed from anywhere."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit
from urllib.request import Request, urlopen
from uuid import uuid4

from nas.cluster import import_ray, show_address
from nas.jobs.cluster.submission import Submission, read_metadata
from search_spaces.quoting import escape, join_lines, quote

_ANSWER_S = 5  # how long to wait for a connection to the dashboard
_AGENT_S = 120.0  # how long to wait until a node of a cluster that has just started accepts jobs
_NO_AGENT = "No available agent"  # part of Ray's message while no node accepts jobs
_TOKEN = "RAY_AUTH_TOKEN"
_TOKEN_FILE = Path("~/.ray/auth_token")
_METADATA = "nas"  # key of a Ray job's metadata that holds `Submission.metadata`
_PACKAGE = re.compile(r"gcs://_ray_pkg_[0-9a-f]+\.zip")  # the only form of a package that Ray does not look for here
_SHOWN_JOBS = 5  # that a message lists at most: the latest
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
        self._address, self._headers = _split_address(address)
        with self._one_line():
            self._client = JobSubmissionClient(self._address, headers=dict(self._headers))

    def submit(self, wanted: Submission) -> str:
        """Starts a job; returns its id.

        Raises:
            ValueError: Also if what is to be sent is too large, or cannot be sent.
            OSError: If a file to be sent cannot be read.
        """
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "package.zip"
            wanted.write(package)
            return self._submit(wanted, str(package))

    def resume(self, job: str) -> str:
        """Submits a job again, which then continues where it ended; returns the new id.

        It is sent what the cluster has of it: its package or, where nothing else was in that, the job file. What the
        cluster says of a job is never taken for the name of a file of this machine.

        Raises:
            ValueError: Also if the job has not ended yet, was submitted by another version of this program, or was sent
                with files that the cluster no longer has.
        """
        details = self._details(job)
        if details.status.value in _WAITING:
            raise ValueError(f"job {job} is {details.status.value}; stop it first: nas jobs stop {job}")
        wanted = read_metadata(details.metadata[_METADATA], details.entrypoint)
        package = str((details.runtime_env or {}).get("working_dir"))
        if _PACKAGE.fullmatch(package) and self._has(package):
            return self._submit(wanted, package)
        if wanted.texts:
            return self.submit(wanted)
        raise ValueError(
            f"the cluster no longer has the files that were sent with job {job}; submit its file again, with the same "
            "options, and it goes on where it ended: nas submit JOB"
        )

    def _submit(self, wanted: Submission, package: str) -> str:
        """Submits a job, and tries again while the dashboard answers but no node of the cluster accepts jobs yet."""
        deadline = time.monotonic() + _AGENT_S
        while True:
            try:
                with self._one_line():
                    return str(
                        self._client.submit_job(
                            entrypoint=wanted.entrypoint,
                            submission_id=f"{wanted.name}-{uuid4().hex[:6]}",
                            runtime_env={"working_dir": package},
                            metadata={_METADATA: wanted.metadata},
                        )
                    )
            except ValueError as error:
                if _NO_AGENT not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(1.0)

    def _has(self, package: str) -> bool:
        """Whether the cluster still has a package, which it drops with the last job that uses it."""
        place = f"{self._address}/api/packages/gcs/{package.removeprefix('gcs://')}"
        try:
            with urlopen(Request(place, headers=self._headers), timeout=_ANSWER_S):
                return True
        except HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return False
            raise ValueError(f"the Ray cluster at {self._address} refuses: {error.code} {error.reason}") from error

    def jobs(self) -> list[dict[str, str]]:
        """Every job of this program, oldest first: id, status, message."""
        with self._one_line():
            found = self._client.list_jobs()
        ours = [one for one in found if _METADATA in (one.metadata or {})]
        ours.sort(key=lambda one: one.start_time or 0)
        return [
            {
                "id": join_lines(str(one.submission_id)),
                "status": one.status.value,
                "message": join_lines(one.message or ""),
            }
            for one in ours
        ]

    def status(self, job: str) -> str:
        """PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""
        return str(self._details(job).status.value)

    def logs(self, job: str) -> str:
        """The output of a job so far, of which lines and tabs stay, and nothing else that a terminal would obey."""
        self._details(job)
        with self._one_line():
            return _escape_lines(str(self._client.get_job_logs(job)))

    def stop(self, job: str) -> None:
        """Stops a job; `resume` continues it."""
        self._details(job)
        with self._one_line():
            self._client.stop_job(job)

    def _details(self, job: str) -> Any:
        known = [one["id"] for one in self.jobs()]
        if job not in known:
            latest = ", ".join([*known[-_SHOWN_JOBS:], *["..."] * (len(known) > _SHOWN_JOBS)])
            raise ValueError(f"no job {quote(job)} at {self._address}; known jobs: {latest or 'none yet'}")
        with self._one_line():
            return self._client.get_job_info(job)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Turns exceptions of Ray's client in the block into a ValueError of one line."""
        try:
            yield
        except (RuntimeError, ConnectionError, self._ray.exceptions.RayError) as error:
            lines = (line.strip() for line in str(error).splitlines())
            reason = next(filter(None, lines), type(error).__name__)
            advice = f"; set {_TOKEN} to the cluster's token" if "uthenticat" in reason else ""
            raise ValueError(f"the Ray cluster at {self._address} refuses: {reason}{advice}") from error


def _split_address(address: str) -> tuple[str, dict[str, str]]:
    """An address without user and password, which no message then holds, and the header that stands for them.

    Without them the header holds the cluster's token: from the environment, else from the file in which Ray keeps it.
    """
    parts = urlsplit(address)
    users, _, host = parts.netloc.rpartition("@")
    plain = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    if users:
        return plain, {"Authorization": f"Basic {b64encode(unquote_to_bytes(users)).decode()}"}
    file = Path(os.environ.get(f"{_TOKEN}_PATH", _TOKEN_FILE)).expanduser()
    token = os.environ.get(_TOKEN) or (file.read_text().strip() if file.exists() else "")
    if token and not re.fullmatch("[!-~]+", token):  # a client would quote the header, which it cannot send
        raise ValueError(f"the cluster's token, in {_TOKEN} or in {file}, must be one word of ASCII characters")
    return plain, {"Authorization": f"Bearer {token}"} if token else {}


def _escape_lines(text: str) -> str:
    """A text of the cluster in its lines, without what a terminal would obey."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(escape, line.split("\t"))) for line in lines)


def _check_reachable(address: str) -> None:
    """Checks the form of an address and that something answers there; Ray's client would retry for long.

    Raises:
        ValueError: If the address has another form, or nothing answers.
    """
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname, parts.port) if parts.scheme in ("http", "https") else (None, None)
    except ValueError:  # whose message may hold a password
        host = port = None
    if host is None or port is None:
        shown = show_address(address)
        raise ValueError(f"a cluster's dashboard is given like http://127.0.0.1:8265, got {shown!r}") from None
    try:
        socket.create_connection((host, port), _ANSWER_S).close()
    except OSError as error:
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        raise ValueError(f"no Ray dashboard answers at {place}: {error.strerror or error}") from error
