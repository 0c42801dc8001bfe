"""Jobs of `nas compress` on ResNet-20 of the reference data, for the benchmarks that compare what they find.

In: the folder of the reference data. The network is stored, so that any process reads it without its module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compress_resnet20 import NORMALIZATION, traced_resnet20
from rich.console import Console

from hardware.document import make_document
from nas.compression.tracing.traced_file import save_traced
from nas.jobs.compress import compressing
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import Job
from nas.jobs.workspace import Workspace

STATED = {"mean": [*NORMALIZATION.mean], "std": [*NORMALIZATION.std]}  # as a job states it


@contextmanager
def open_job(data: Path, runs: Path, name: str, document: Mapping[str, Any]) -> Iterator[Workspace]:
    """The workspace of a job on ResNet-20, with what `nas compress` does where the job says nothing.

    Args:
        data: The folder of the reference data.
        runs: The folder of all runs; what was stopped goes on.
        name: Name of the job.
        document: The sections of the job; `space` needs no network.
    """
    stored = runs / "resnet20.safetensors"
    if not stored.exists():
        runs.mkdir(parents=True, exist_ok=True)
        save_traced(stored, traced_resnet20(data))
    space = {"network": f"stored:{stored}", **document["space"]}
    source = {"source": str(data / "cifar10"), "limit": 10_000, **STATED, **document.get("data", {})}
    job = make_document({"name": name, **document, "data": source, "space": space}, Job)
    with compressing(Workspace(job, runs, Reporter(Console(stderr=True)))) as workspace:
        yield workspace
