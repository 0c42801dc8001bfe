"""What the stages of a small job cost, each in a fresh process: training, search, export, and all of it done before.

In: nothing. Out: rows of the table in `README.md`, in seconds of processor time, start and imports included: what else
the machine does changes those less than it changes wall time. The job is on scikit-learn's digits, by its commands
alone, so that it runs on the code of any version.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from report import row

JOB = """\
name: small
data: {source: digits}
space: {name: mobilenet_v3_digits, policies: [w32a32, w8a8], only: {kernel: [3], depth: [1]}}
training: {schedule: deps, epochs: 6}
device: {name: onnxruntime_cpu, calibration_networks: 20, accept_poor_fit: true}
search: {searcher: linas, evaluations: 60, objectives: [accuracy, latency_ms, weight_bytes]}
export: {count: 2}
"""
STAGES = {
    "training 6 epochs": "train",
    "profiling the layers of a part of the space": "profile",
    "a search with 60 measurements": "search",
    "exporting 2 networks": "export",
    "all of it, done before": "run",
}
COMMAND = "python benchmarks/job_speed.py"
_NAS = "from nas.cli.main import main; main()"


def processor_seconds(stage: str, folder: Path) -> float:
    """Processor time of a command on the job, in a process of its own.

    Raises:
        subprocess.CalledProcessError: If the command fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", _NAS, stage, "job.yaml"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    seconds: dict[str, list[float]] = {what: [] for what in STAGES}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "job.yaml").write_text(JOB)
            for what, stage in STAGES.items():
                seconds[what].append(processor_seconds(stage, Path(folder)))
    for what, samples in seconds.items():
        title = f"A small job, processor time, {what} (`nas {STAGES[what]}`)"
        print(row(title, samples, "{:.2f} s", f"{repeats} times", COMMAND, 1), flush=True)


if __name__ == "__main__":
    main()
