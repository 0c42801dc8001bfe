from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from results.database.errors import DatabaseError
from results.database.location import find_file, locate_database, read_url
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord


@pytest.mark.parametrize("name", ["a?b", "%41", "a#b", "a b", "file:a", "a&mode=memory", ":memory:", "ä"])
@pytest.mark.parametrize("relative", [True, False])
def test_a_folder_of_any_name_holds_its_own_database(
    tmp_path: Path, name: str, relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = Path(name) if relative else tmp_path / name
    with ResultsDatabase(locate_database(runs)) as database:
        database.begin(RunRecord("a", {}, 0))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.name for path in runs.iterdir()] == ["results.db"]
    with ResultsDatabase(locate_database(runs), read_only=True) as database:
        assert database.has_run("a")


def test_a_given_url_counts_instead_of_the_folder() -> None:
    assert locate_database(Path("runs"), "sqlite:///a%3Fb.db") == sa.URL.create("sqlite", database="a?b.db")
    assert find_file(read_url("sqlite:///a%3Fb.db")) == Path("a?b.db")
    for nowhere in ("sqlite://", "sqlite:///:memory:", "postgresql://host/name"):
        assert find_file(read_url(nowhere)) is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///a?b.db", "without options.*got sqlite:///a with"),
        ("sqlite:///a.db?mode=ro", "without options.*got sqlite:///a.db with a"),
        ("sqlite:///file:a.db", "without options"),
        ("sqlite://a.db", "without options"),
        ("mysql://host/name", "one of sqlite, postgresql"),
        ("results.db", "named like sqlite:///"),
    ],
)
def test_a_url_that_names_another_database_than_it_seems_to_is_refused(url: str, message: str) -> None:
    with pytest.raises(DatabaseError, match=message):
        read_url(url)
