from __future__ import annotations

import pytest
import sqlalchemy as sa

from results.database import errors
from results.database.errors import DatabaseError, as_database_error, retry_during_restart

SERVER = sa.create_engine("postgresql+psycopg://me:secret@127.0.0.1:9/name")


def _lost() -> sa.exc.OperationalError:
    return sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection\nunexpectedly"))


def test_a_failure_is_one_line_without_the_password() -> None:
    with pytest.raises(DatabaseError) as caught, as_database_error(SERVER):
        raise _lost()
    assert str(caught.value) == (
        "cannot use the results database postgresql+psycopg://me:***@127.0.0.1:9/name: "
        "server closed the connection unexpectedly; check the URL and your access"
    )


def test_work_is_done_again_when_the_server_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "_RETRY_SECONDS", 0.0)
    tries: list[bool] = []

    def work(cut_off: bool) -> None:
        tries.append(cut_off)
        if len(tries) < 3:
            raise _lost()

    retry_during_restart(SERVER, work)
    assert tries == [False, True, True]
    monkeypatch.setattr(errors, "_RESTART_SECONDS", -1.0)
    with pytest.raises(sa.exc.OperationalError):
        retry_during_restart(SERVER, lambda _: work(tries.clear() or False))  # type: ignore[func-returns-value]
