"""A small job on the digits, its latency table, and one finished run of it."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from timeit import timeit

import pytest
import yaml
from rich.console import Console

from hardware.calibration.calibration import Calibration
from hardware.calibration.fit_quality import FitQuality
from hardware.device import get_device, read_fingerprint
from hardware.profiling.stopwatch import Stopwatch, Timing
from hardware.tables.entry import LATENCY, Entry
from hardware.tables.latency_table import LatencyTable
from hardware.tables.table_file import save_table
from nas.cli.main import main
from nas.jobs.console.reporter import Reporter
from nas.jobs.execution import Workers
from nas.jobs.files.job import load_job
from nas.jobs.job_folder import open_job_folder
from nas.jobs.run import run_job
from nas.jobs.workspace import Workspace
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SMALL_JOB = {
    "name": "small",
    "data": {"source": "digits", "limit": 500},
    "space": {"name": "mobilenet_v3_digits", "policies": ["w32a32", "w8a8", "w4a8"]},
    "training": {"schedule": "deps", "epochs": 6, "batch_size": 25},
    "fit": {"predictor": "ridge", "candidates": 12},
    "search": {"searcher": "nsga2", "quality": "predicted", "evaluations": 300, "verify": 5},
    "export": {"count": 2},
}


@dataclass(frozen=True, slots=True)
class BriefStopwatch(Stopwatch):
    """Runs every function once, and gives a millisecond and a little for each.

    A busy machine may take any time for any function, and a table of such timings may price networks below 0.
    """

    def time(self, functions: Sequence[Callable[[], None]]) -> list[Timing]:
        return [Timing(1.0 + min(0.05, timeit(run, number=1)), 0.01, 1) for run in functions]


@pytest.fixture(scope="session", autouse=True)
def brief_timings() -> Iterator[None]:
    """What times anything in this process does so in one run; by default it would go on until it is certain.

    No test may ask how long things take: on a busy machine that is anything, and certainty takes minutes.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in ("profiling.profiler", "profiling.openvino_profiler"):
            patch.setattr(f"hardware.{module}.Stopwatch", BriefStopwatch)
        patch.setattr("nas.evaluation.torch_profiler.Stopwatch", BriefStopwatch)
        yield


@pytest.fixture(scope="session", autouse=True)
def known_operators() -> Iterator[None]:
    """Torch's exporter reads 500 functions from their source files for every network; here once for all exports.

    Where another release of torch keeps them elsewhere, they are read each time.
    """
    with pytest.MonkeyPatch.context() as patch:
        with suppress(ImportError):
            from torch.onnx._internal._lazy_import import onnxscript_apis as library

            patch.setitem(vars(library), "get_torchlib_ops", cache(lambda: library.__getattr__("get_torchlib_ops")()))
        yield


@pytest.fixture(scope="session")
def synthetic_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A latency table of the small job's space on a made-up device: time of operations plus time of bytes.

    It claims to be within 3.5 % of whole networks.
    """
    target = get_device("onnxruntime_cpu")
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10))
    policies = [precision.policy for precision in target.precisions]
    missing = LatencyTable(target).missing(space.list_distinct_layers(), policies)
    entries = {}
    for segment in missing:
        ((layer, kernel),) = segment
        speed = 1.0 if kernel == LayerPolicy() else 3.0
        latency_ms = layer.macs / speed * 1e-8 + layer.output_elements * 1e-8 + 1e-4
        entries[segment] = Entry({LATENCY: latency_ms}, 0.01, 20)
    path = tmp_path_factory.mktemp("table") / "latency.parquet"
    table = LatencyTable(target).with_entries(entries, 1.0, read_fingerprint())
    save_table(table.with_calibration(Calibration(quality=FitQuality(3.5, 0.9, 0.95, 20)), {}), path)
    return path


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """A process that was started in the background may ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Gives the one line with which the program refuses its arguments."""

    def refused(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["nas", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("nas: ")
        return lines[0]

    return refused


@pytest.fixture(scope="session")
def job_file(synthetic_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small job, with the made-up table given."""
    path = tmp_path_factory.mktemp("job") / "small.yaml"
    path.write_text(yaml.safe_dump({**SMALL_JOB, "device": {"table": str(synthetic_table)}}))
    return path


@pytest.fixture(scope="session")
def workspace(job_file: Path) -> Callable[..., Workspace]:
    """Makes workspaces of the small job, in a folder of runs, that show their progress to nobody."""

    def make(runs: Path, workers: int = 1, ray_address: str | None = None) -> Workspace:
        reporter = Reporter(Console(file=io.StringIO(), width=120))
        return Workspace(load_job(job_file), runs, reporter, Workers(workers, ray_address))

    return make


@pytest.fixture(scope="session")
def finished_run(workspace: Callable[..., Workspace], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs after the small job was carried out undisturbed; not to be changed."""
    runs = tmp_path_factory.mktemp("runs")
    opened = workspace(runs)
    with open_job_folder(opened.folder), opened:
        run_job(opened)
    return runs


@pytest.fixture
def bring_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a module `brought` and, if there is one, a job, and goes to their folder, from which jobs import it."""

    def bring(source: str, job: Mapping[str, object] | None = None) -> Path:
        (tmp_path / "brought.py").write_text(source)
        if job is not None:
            (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.delitem(sys.modules, "brought", raising=False)
        return tmp_path

    return bring
