from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from results.database.results_database import ResultsDatabase

HOLD = """
import sys
from results.database.results_database import ResultsDatabase
with ResultsDatabase(sys.argv[1]) as database, database.run_lock("a"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("server", ["sqlite", "postgresql"])
def test_a_run_is_held_by_one_process_until_it_dies(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    own = f"sqlite:///{tmp_path}/results.db"
    url = own if server == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with ResultsDatabase(url) as database:
        command = [sys.executable, "-c", HOLD, url]
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with (
                pytest.raises(ValueError, match="another process writes run 'a'; wait for it, or give this one"),
                database.run_lock("a"),
            ):
                pass
            with database.run_lock("b"):  # another run is free
                pass
            holder.kill()
        with database.run_lock("a"):
            pass
    assert {path.stat().st_size for path in tmp_path.glob("*-locks/*")} <= {0}  # locks are files without content
