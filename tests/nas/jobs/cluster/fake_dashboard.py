"""A dashboard that answers Ray's client as that of a cluster does, keeps what it is sent, and runs nothing."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class FakeDashboard:
    """What was sent to it, by which its answers can be changed.

    Attributes:
        address: Its address.
        jobs: What the dashboard shows of the jobs, by their ids; all have ended.
        packages: The archives that it has, by their names.
        headers: The header of authorization of every request.
    """

    address: str = ""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)
    headers: list[str | None] = field(default_factory=list)

    def sent(self, job: str) -> dict[str, bytes]:
        """The files of the package of a job by their names."""
        name = self.jobs[job]["runtime_env"]["working_dir"].removeprefix("gcs://")
        with zipfile.ZipFile(io.BytesIO(self.packages[name])) as archive:
            return {entry.filename: archive.read(entry) for entry in archive.infolist()}

    def get(self, path: str) -> object:
        """The answer to a GET request; None if there is nothing."""
        known: dict[str, object] = {"/api/version": {"version": "4", "ray_version": "2.60.0", "ray_commit": ""}}
        known |= {"/api/jobs/": list(self.jobs.values())}
        known |= {f"/api/jobs/{name}": job for name, job in self.jobs.items()}
        known |= {f"/api/jobs/{name}/logs": {"logs": job.get("logs", "")} for name, job in self.jobs.items()}
        known |= {f"/api/packages/gcs/{name}": {} for name in self.packages}
        return known.get(path)

    def submit(self, asked: dict[str, Any]) -> dict[str, str]:
        """Takes a job, which is finished at once."""
        shown = {"type": "SUBMISSION", "status": "SUCCEEDED", "start_time": len(self.jobs)}
        self.jobs[asked["submission_id"]] = asked | shown
        return {"job_id": "", "submission_id": asked["submission_id"]}


@contextmanager
def fake_dashboard() -> Iterator[FakeDashboard]:
    """A dashboard that answers while a block runs."""
    fake = FakeDashboard()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, content: object) -> None:
            fake.headers.append(self.headers["Authorization"])
            body = json.dumps(content).encode()
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer(fake.get(self.path))

        def do_PUT(self) -> None:
            found = re.fullmatch("/api/packages/gcs/(.*)", self.path)
            assert found
            fake.packages[found[1]] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer({})

        def do_POST(self) -> None:
            self._answer(fake.submit(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        server.shutdown()
        thread.join()
