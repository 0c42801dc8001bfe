"""Networks as files: exported, checked against torch, timed in their runtime, and listed in a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.workload import OnnxNetwork
from hardware.tables.latency_table import LatencyTable
from nas.data.reading import Reading
from nas.data.splits import DataSplits
from nas.evaluation.profilers import create_profiler
from nas.evaluation.realize import CandidateRealizer
from nas.export.agreement import check_agreement, check_openvino_agreement
from nas.export.description import NetworkDescription
from nas.export.model_notes import add_notes
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session, save_onnx, to_onnx
from nas.export.opset import describe_versions
from nas.export.target import DEFAULT_TARGET, ExportTarget
from nas.files import atomic_write
from nas.jobs.job_runs import JobRuns
from nas.jobs.stage_folder import MANIFEST, StageFolder
from nas.jobs.stages.image_reading import read_images, take_inputs
from nas.jobs.stages.manifests import describe_values
from nas.jobs.stages.subject import Subject
from nas.verification.manifest_file import locate_manifest, locate_samples
from nas.verification.openvino_session import open_openvino
from results.evaluation import Evaluation, RunRecord, Source
from results.metric import METRICS, Metric
from search_spaces.candidate import Candidate
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.quoting import describe_error

if TYPE_CHECKING:
    import pandas as pd

NETWORKS = "networks.csv"
MEASURED = "measured_"  # prefix of the columns that hold what was measured, not predicted


def make_once(
    folder: Path,
    make: Callable[[], pd.DataFrame],
    say: Callable[[str], None],
    besides: Sequence[str] = (),
    metrics: Mapping[str, Metric] = METRICS,
) -> pd.DataFrame:
    """The table `networks.csv` of a folder, unless it is there with all its files made first.

    Args:
        folder: Made, if it is not there.
        make: Writes the files to the folder and gives the table, whose column `file` names them.
        say: Is told where there is nothing to make, or something is made again.
        besides: Names of other files that `make` writes to the folder.
        metrics: The metrics that are known, whose values must be within their bounds.

    Raises:
        ValueError: If they were made, and one was damaged.
    """
    table, stage = folder / NETWORKS, StageFolder(folder)
    if stage.holds(NETWORKS):
        networks = _read_networks(table, metrics)
        say("done before")
        return networks
    if table.exists():  # a process was killed at the very end, or somebody removed the manifest
        say(f"made again, as {MANIFEST} does not say that it was finished")
    folder.mkdir(parents=True, exist_ok=True)
    networks = make()
    with atomic_write(table) as draft:
        networks.to_csv(draft, index=False)
    about = {name: describe_versions((folder / name).read_bytes()) for name in networks["file"]}
    beside = [locate(folder / name).name for name in about for locate in (locate_manifest, locate_samples)]
    stage.record(NETWORKS, *about, *beside, *besides, about=about)
    return networks


def _read_networks(path: Path, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """A table of networks, which may be older than manifests are, so that nothing has told yet whether it is whole.

    Raises:
        ValueError: If it is no such table, or a value cannot be one of its metric.
    """
    import pandas as pd

    try:
        networks = pd.read_csv(path, dtype={"role": str, "key": str, "file": str})
        for column, name in _metrics_of(networks, metrics).items():
            least, most = metrics[name].bounds
            values = pd.to_numeric(networks[column])
            if not bool((values.between(least, most) | values.isna()).all()):
                raise ValueError(
                    f"{column} must be from {least:g} to {most:g}, got {values.min():g} to {values.max():g}"
                )
        networks[["role", "key", "file"]]
    except (ValueError, KeyError) as error:  # pandas' own are ValueErrors
        reason = describe_error(error)
        raise ValueError(
            f"{path} is damaged ({reason}); delete {path.parent} and start the same command again"
        ) from error
    return networks


@dataclass(frozen=True)
class FileForm:
    """What an exported file is to be.

    Attributes:
        target: What it is for.
        notes: What it is to tell of itself, besides what it takes and gives; names and texts.
        reading: Where it is to read images as they are, how the job reads them; None reads inputs.
        description: What its manifest is to say, by which it is checked; None writes none.
    """

    target: ExportTarget = DEFAULT_TARGET
    notes: Mapping[str, str] = field(default_factory=dict)
    reading: Reading | None = None
    description: NetworkDescription | None = None


_USUAL = FileForm()


def export_network(
    network: nn.Module,
    resolution: int,
    realizer: CandidateRealizer,
    subject: Subject,
    file: Path,
    form: FileForm = _USUAL,
) -> dict[str, float]:
    """Writes one network, and measures it on the test images: in onnxruntime, or in OpenVINO if it is for that.

    Args:
        network: The network, as the realizer makes it.
        resolution: Height and width of its inputs, in pixels.
        realizer: Measures it.
        subject: Says what is measured.
        file: The ONNX file.
        form: What the file is to be.

    Returns:
        Every measured metric by name.

    Raises:
        ExportMismatch: If onnxruntime, or the runtime that the file is for, computes something else than torch.
        ValueError: If the file is for OpenVINO, and that is not installed.
    """
    data = subject.data
    inputs = take_inputs(data, resolution)
    if isinstance(network, GraphNetwork):
        example = torch.zeros_like(inputs[:1]).expand(2, *inputs.shape[1:]).contiguous()
        model = traced_to_onnx(network, [example], form.target)
    else:
        model = to_onnx(network, (data.channels, resolution, resolution), form.target)
    model = add_notes(model, realizer.transform, data.names, form.notes)
    session = open_session(model)
    check_agreement(network, session, inputs)
    if form.target.runtime == "openvino":
        session = open_openvino(model)
        check_openvino_agreement(network, session, inputs)
    if form.reading is not None:
        model, network, inputs = read_images(model, network, data, resolution, form.reading)

    def run(images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(run_session(session, images.numpy()))

    found = realizer.measure_network(run, resolution, data.test, subject.measurement.metrics)
    if form.description is None:
        save_onnx(model, file)
    else:
        described = replace(form.description, metrics=describe_values(found, subject))
        described.write(model, file, network, inputs, form.target)
    return found


def time_files(
    table: LatencyTable | None, files: Sequence[Path], candidates: Sequence[Candidate], data: DataSplits
) -> list[float]:
    """Latency in milliseconds of every file on the device of a table, scaled to the machine's speed for that table.

    The speed of a machine varies; it is measured by a reference workload that is timed between the files.

    Args:
        table: The latency table of this machine; if None, all latencies are NaN.
        files: The ONNX files.
        candidates: The candidate of each file.
        data: The samples, which tell the shape of an input.
    """
    if table is None:
        return [math.nan] * len(files)
    inputs = [data.input_shape(candidate.architecture.resolution) for candidate in candidates]
    shapes = [(table.device.batch, *shape) for shape in inputs]
    networks = [OnnxNetwork(file.read_bytes(), shape) for file, shape in zip(files, shapes, strict=True)]
    profiler = create_profiler(table.device)
    timings = time_normalized(profiler, networks, table.device.precisions, table.reference_ms).timings
    return [timing.latency_ms for timing in timings]


def store_networks(
    networks: pd.DataFrame, candidates: Sequence[Candidate], source: Source, record: RunRecord, runs: JobRuns
) -> None:
    """Stores the values of exported networks as evaluations, unless they are stored already.

    Columns are stored whose name is that of a metric, or `measured_` and that of a metric; `predicted_` columns, such
    as the latency by a table, are not.

    Args:
        networks: One row per network, as in `nas.jobs.stages.export.Export`.
        candidates: The candidate of each row.
        source: The source of the evaluations.
        record: The run of the evaluations.
        runs: The runs of the job.
    """
    metrics = _metrics_of(networks, runs.metrics)
    rows = networks[list(metrics)].rename(columns=metrics).to_dict("records")
    evaluations = [
        Evaluation(
            candidate,
            {str(name): value for name, value in row.items() if not math.isnan(value)},
            source,
            record.run,
            sequence,
            record.seed,
        )
        for sequence, (candidate, row) in enumerate(zip(candidates, rows, strict=True))
    ]
    runs.store(record, evaluations)


def _metrics_of(networks: pd.DataFrame, known: Mapping[str, Metric]) -> dict[str, str]:
    """The metrics that are stored, by the names of their columns."""
    columns = [str(column) for column in networks]
    return {column: name for column in columns if (name := column.removeprefix(MEASURED)) in known}
