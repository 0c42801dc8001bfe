"""Whatever is wrong with the URL of a database, and wherever its password stands, no message shows it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from results.database.errors import as_database_error
from results.database.results_database import ResultsDatabase
from results.database.url import find_secrets, hide_secrets, parse_url, show_url

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}",
        f"postgresql://me:{SECRET}/results",
        f"postgresql://me:{SECRET}@host:port/results",
        f"postgresql://me:x@{SECRET}@host/results",
        f"postgresql://me:x/y@z/{SECRET}@host/results",
        f"postgresql:/me:{SECRET}@host/results",
        f"postgresql//me:{SECRET}@host/results",
        f"me:{SECRET}@postgresql://host/results",
        f"postgresql://host/results;password={SECRET}",
        f"host=127.0.0.1 dbname=results password={SECRET}",
        f"mysql://me:{SECRET}@host/results",
        f"postgresql+nodriver://me:{SECRET}@host/results",
        f"postgresql://me:{SECRET}@127.0.0.1:9/results",
        f"postgresql://me@127.0.0.1:9/results?password={SECRET}",
        f"postgresql://me@127.0.0.1:9/results?PassWord={SECRET}",
        f"postgresql://me@127.0.0.1:9/results?options={SECRET}&sslmode=%zz",
        f"postgresql://me:%68{SECRET[1:]}@127.0.0.1:9/results",
        f"postgresql://me:{SECRET}@127.0.0.1:99999/results",
        f"postgresql://me@127.0.0.1:9/results?sslpassword={SECRET}&sslkey=none&sslmode=require",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(ValueError, match="database") as caught:
        ResultsDatabase(url)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_driver_says_is_shown_without_the_password() -> None:
    url = parse_url("postgresql://me:p%40ss%2Fword@host/results?sslpassword=other")
    assert find_secrets(url) == ["p@ss/word", "other"]
    assert hide_secrets("with 'p@ss/word', 'p%40ss%2Fword' and 'other'", url) == "with '***', '***' and '***'"
    assert show_url(url) == "postgresql://me:***@host/results"
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
    with pytest.raises(ValueError, match=r"cannot use .*: refused \*\*\*;"), as_database_error(engine):
        raise sa.exc.OperationalError("SELECT 1", {}, Exception("refused p@ss/word"))


def test_a_path_in_the_place_of_a_url_is_shown() -> None:
    with pytest.raises(ValueError, match=r"named like sqlite:///runs/results\.db .*got 'my runs/results\.db'"):
        parse_url("my runs/results.db")
    assert show_url(parse_url("sqlite:////tmp/a.db")) == "sqlite:////tmp/a.db"
    assert find_secrets(parse_url("postgresql://me@host/results?passfile=x")) == []
