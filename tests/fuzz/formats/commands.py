"""Command lines: arguments of every kind, lost, repeated, exchanged and strange."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzzer import Attempt, Format, require
from mutations import CELLS, TEXTS

from formats.latency_tables import APQ, NPU, TRANSFER
from formats.settings import COMPARISON, JOBS, NETWORKS
from nas.cli.main import main
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from search_spaces.candidate import Architecture, Candidate

_KEY = Candidate(Architecture("made-up", 0, ())).key
# Of a command that trains, the job names data that are not there: no mutation makes it train.
LINES = [
    ["results", "list", "--runs", "runs"],
    ["results", "pareto", "--runs", "runs", "--metrics", "accuracy,latency_ms", "--limit", "latency_ms=5"],
    ["results", "pareto", "--runs", "runs", "--job", "job", "--source", "measured", "--device", "npu"],
    ["results", "pareto", "--database", "sqlite:///runs/results.db", "--run", "job/one"],
    ["results", "show", _KEY[:6], "--runs", "runs"],
    ["tables", "import", "apq", "layers.csv", "new.parquet", "--peak-gops", "1000"],
    ["tables", "estimate", "npu.yaml", "resnet_digits", "new.parquet", "--channels", "1", "--classes", "10"],
    ["tables", "transfer", "known.csv", "features.csv", "--measured", "measured.csv", "--output", "new.csv"],
    ["tables", "transfer", "known.csv", "features.csv", "--probes", "3"],
    ["tables", "show", "npu.yaml"],
    ["compare", "file.yaml", "--runs", "elsewhere", "--data", "nowhere"],
    ["run", "job.yaml", "--runs", "elsewhere", "--workers", "1", "--database", "sqlite:///new.db"],
    ["train", "job.yaml", "--runs", "elsewhere"],
    ["data", "job.yaml", "--data", "nowhere", "--runs", "elsewhere"],
    ["finetune", "job.yaml", _KEY, "--epochs", "0.5", "--learning-rate", "0.01"],
]
_STRANGE = [
    *(text for text in TEXTS if "\x00" not in text and "\ud800" not in text),  # as no shell hands them over
    *(cell for cell in CELLS if "\x00" not in cell),
    *(
        ".",
        "..",
        "/",
        "/dev/null",
        "fifo",
        "runs",
        "npu.yaml",
        "new",
        "nowhere/x",
        "runs/results.db",
        "a?b",
        "%41",
        "~",
    ),
    *("--", "--help", "-x", "--nothing", "--runs", "--limit", "=", "latency_ms=nan", "accuracy,accuracy", "key"),
    *("sqlite://", "sqlite:///fifo", "postgresql://u:secret@[", "mysql://x", "1e300", str(2**63), "-1", "0"),
]


def _make_files(folder: Path) -> None:
    import yaml
    from mutations import to_csv

    (folder / "runs").mkdir()
    with ResultsDatabase(f"sqlite:///{folder}/runs/results.db") as database:
        database.begin(RunRecord("job/one", {}, 0, device="npu", job="job", stage="search"))
        made = [Candidate(Architecture("made-up", number, ())) for number in range(4)]
        database.append(
            Evaluation(one, {"accuracy": 90.0 + n, "latency_ms": 2.0 + n}, "measured", "job/one", n, 0)
            for n, one in enumerate(made)
        )
    job = JOBS[1] | {"data": {"source": "nowhere"}}
    texts = {
        "layers.csv": APQ,
        "npu.yaml": NPU,
        "job.yaml": yaml.safe_dump(job),
        "networks.csv": to_csv(NETWORKS).decode(),
    }
    texts["file.yaml"] = yaml.safe_dump(COMPARISON | {"table": "nowhere.csv"})
    for name, text in {**texts, **{f"{name}.csv": text for name, text in TRANSFER.items()}}.items():
        (folder / name).write_text(text)
    os.mkfifo(folder / "fifo")


def _mutate(line: list[str], rng: Random) -> list[str]:
    arguments = [*line]
    for _ in range(rng.choice([1, 1, 1, 2])):
        at, what = rng.randrange(1, len(arguments) + 1), rng.random()
        if what < 0.6 and at < len(arguments):
            arguments[at] = rng.choice(_STRANGE)
        elif what < 0.7 and len(arguments) > 2:
            del arguments[min(at, len(arguments) - 1)]
        elif what < 0.8:
            arguments.insert(at, rng.choice(arguments))
        elif what < 0.9:
            arguments.insert(at, rng.choice(_STRANGE))
        else:
            arguments.insert(at, rng.choice(rng.choice(LINES)))
    return arguments


def _command(folder: Path) -> Attempt:
    place = folder / "a" / "b" / "c"  # `../../x` is a place of the user's, too
    place.mkdir(parents=True)
    _make_files(place)
    kept = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def attempt(rng: Random | None) -> Callable[[], object]:
        for path in set(folder.rglob("*")) - set(kept):
            if path.is_file():
                path.unlink()
        arguments = _mutate(rng.choice(LINES), rng) if rng else LINES[0]

        def read() -> None:
            code, said, wrong = _run(arguments, place)
            require(code in (0, 2), f"exit code {code}: {wrong or said}")
            require(all(path.read_bytes() == content for path, content in kept.items()), "a file was changed")
            require("secret" not in said + wrong, "a password is shown")
            if code == 2:
                raise ValueError(wrong.removesuffix("\n"))
            require(bool(said.strip()), "nothing is said")
            require(said.replace("\n", "").isprintable(), "what is said cannot be printed")

        return read

    return attempt


def _run(arguments: list[str], place: Path) -> tuple[object, str, str]:
    """Exit code, standard output and standard error of the program."""
    said, wrong, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["nas", *arguments]
    try:
        with contextlib.chdir(place), contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
            main()
    except SystemExit as ended:
        return ended.code or 0, said.getvalue(), wrong.getvalue()
    finally:
        sys.argv = before
    return None, said.getvalue(), wrong.getvalue()


FORMATS = {"command": Format("command lines", _command, weight=2.0, names_file=False)}
