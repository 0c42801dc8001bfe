"""One candidate as a file, in the form that somebody asks for: exported, run in onnxruntime, and stored."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from hardware.analytic import network_cost
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from nas.data.reading import Reading
from nas.data.sources import DataSource
from nas.export.description import NetworkDescription
from nas.export.network_file import store_network
from nas.export.runtimes import format_version
from nas.export.target import DEFAULT_TARGET, ExportTarget
from nas.export.torch_program import make_program
from nas.files import atomic_write
from nas.jobs.execution import Execution
from nas.jobs.stages.candidate_notes import list_notes, write_card
from nas.jobs.stages.export import Export
from nas.jobs.stages.export_formats import FORMATS, INT8, MIXED, change_policy, realize_format
from nas.jobs.stages.finetune import SIZE
from nas.jobs.stages.found_network import FoundNetwork
from nas.jobs.stages.image_reading import take_inputs
from nas.jobs.stages.manifests import state_latencies
from nas.jobs.stages.network_files import MEASURED, FileForm, export_network, store_networks, time_files
from nas.jobs.stages.subject import Subject
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicyRule, PolicySpace
from search_spaces.quoting import quote

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 8  # of the key, in names of files


@dataclass(frozen=True)
class ExportRequest:
    """What a candidate is to be exported as.

    Attributes:
        format: `mixed` is the network as it was measured; `int8` is the same with a byte for each code, for tools that
            read no packed ones; `fp32` is the same network with nothing rounded; `weight_only` rounds weights alone.
        target: What the file is for.
        folder: Where it goes; None is `exports/KEY` in the folder of all runs.
        images: Whether it reads images as they are, of any size, and not what becomes of their pixels.
        torch: Whether the network is written as a program of `torch.export`, too.
        safetensors: Whether it is written as a file that `nas.load_network` reads, too.

    Raises:
        ValueError: If the format is unknown, or the folder is a file.
    """

    format: str = MIXED
    target: ExportTarget = DEFAULT_TARGET
    folder: Path | None = None
    images: bool = False
    torch: bool = False
    safetensors: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"--format must be one of {', '.join(FORMATS)}, got {quote(self.format)}")
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"--output must be a folder, and {self.folder} is a file; name another")

    @property
    def stored_target(self) -> ExportTarget:
        """The target, with the storage of weights that the format asks for."""
        return replace(self.target, storage="bytes") if self.format == INT8 else self.target


def export_candidate(
    found: FoundNetwork,
    request: ExportRequest,
    subject: Subject,
    restore: Callable[[], nn.Module] | None,
    table: LatencyTable | None,
    execution: Execution,
) -> Export:
    """Exports one candidate, checks it against torch, and measures the file.

    Args:
        found: The candidate, and the run whose network it is.
        request: What the file is to be.
        subject: The network and the images that it was measured on.
        restore: Gives the network if it was fine-tuned; None if it was not.
        table: The latency table, on whose device, and at whose machine speed, the file is timed; None does not time it.
        execution: The runs and the reporter of the job.

    Returns:
        One row, and its folder. Columns: role (the format), key, measured_X of every measured metric X that the run
        has measured (on the validation images, of the network as it was measured), test_X (on the test images, by the
        ONNX file), predicted_latency_ms (by the table of the run), measured_latency_ms (of the file; NaN unless it is
        for the runtime of the table), weight_bytes, file.

    Raises:
        ExportMismatch: If onnxruntime and torch compute different outputs.
        ValueError: If the network cannot have the format, its weights are gone, torch makes no program of it, or a
            file cannot hold it.
        OSError: If the file cannot be written.
    """
    import pandas as pd

    runs, candidate, metrics = execution.runs, found.candidate, subject.metric_names
    folder = request.folder or runs.folder.parent / "exports" / candidate.key[:_DIGITS]
    realizer = subject.realizer()
    network = realize_format(found, request.format, realizer, restore)
    computed = Candidate(candidate.architecture, change_policy(candidate.policy, request.format))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{_name_file(found, request)}.onnx"
    resolution, reading = candidate.architecture.resolution, _find_reading(subject) if request.images else None
    described = NetworkDescription(computed, subject.space.architectures.layers(computed.architecture), request.format)
    form = FileForm(request.stored_target, list_notes(found, computed, request.format, subject), reading, described)
    program, stored = b"", None
    if request.torch or request.safetensors:  # first, as these refuse some of what ONNX has a form for
        inputs = take_inputs(subject.data, resolution)
        program = make_program(network, inputs, request.target.batch) if request.torch else b""
        stored = store_network(network, inputs, form.notes) if request.safetensors else None
    with execution.reporter.bar("export to ONNX", None):
        tested = export_network(network, resolution, realizer, subject, file, form)
    predicted = math.nan
    row: dict[str, object] = {"role": request.format, "key": computed.key}
    if computed == candidate:  # else it is another network than the one that was measured
        row |= {f"{MEASURED}{name}": found.measured[name] for name in metrics if name in found.measured}
        predicted = found.predicted_latency_ms
        row |= {} if math.isnan(predicted) else {f"predicted_{LATENCY}": predicted}
    row |= {f"test_{name}": tested[name] for name in metrics}
    timed = table if _can_time(request, table) else None
    row[f"{MEASURED}{LATENCY}"] = measured = time_files(timed, [file], [computed], subject.data)[0]
    state_latencies(timed, [file], [predicted], [measured])
    row[SIZE] = _count_bytes(computed, subject)
    if program:
        with atomic_write(folder / f"{_name_program(found, request)}.pt2") as draft:
            draft.write_bytes(program)
    if stored is not None:
        stored.save(folder / f"{_name_program(found, request)}.safetensors")
    write_card(file, row, form.notes, subject, runs.metrics, "" if timed is None else timed.location)
    networks = pd.DataFrame([row | {"file": file.name}])
    _store(networks, computed, found, request, timed, execution)
    return Export(networks, folder)


def _name_program(found: FoundNetwork, request: ExportRequest) -> str:
    """Name of a file for any runtime: the candidate, the format, a fixed batch, and the run whose network it is."""
    batch = "" if request.target.batch is None else f"-batch{request.target.batch}"
    return f"{found.candidate.key[:_DIGITS]}-{request.format}{batch}-{found.record.run.rpartition('/')[2]}"


def _name_file(found: FoundNetwork, request: ExportRequest) -> str:
    """Name of an ONNX file, with what it is for where that is not the default: other requests make other files."""
    target, parts = request.target, [_name_program(found, request)]
    if (target.runtime, target.oldest) != (DEFAULT_TARGET.runtime, DEFAULT_TARGET.oldest):
        parts.append(f"{target.runtime}{format_version(target.oldest)}")
    parts += [] if target.opset is None else [f"opset{target.opset}"]
    return "-".join([*parts, *(["images"] if request.images else [])])


def _can_time(request: ExportRequest, table: LatencyTable | None) -> bool:
    """Whether a file runs as a table was measured: in its runtime, by inputs of its batch, which are no images."""
    if table is None or request.images or table.device.runtime != request.target.runtime:
        return False
    return request.target.batch in (None, table.device.batch)


def _store(
    networks: pd.DataFrame,
    computed: Candidate,
    found: FoundNetwork,
    request: ExportRequest,
    table: LatencyTable | None,
    execution: Execution,
) -> None:
    """Stores the values of the file as those of an exported network, unless they are stored."""
    location, target = "any" if table is None else table.location, request.stored_target
    inputs = {
        "of": found.record.run,
        "candidate": found.candidate.key,
        "format": request.format,
        "target": [target.runtime, [*target.oldest], target.opset, target.batch, target.storage],
        "images": request.images,
        "location": location,
    }
    runs = execution.runs
    store_networks(networks, [computed], "exported", runs.record("export", inputs, location), runs)


def _find_reading(subject: Subject) -> Reading:
    """How the job reads images."""
    source = subject.measurement.data
    if not isinstance(source, DataSource):
        raise ValueError("--images is for images, and this job has no data that say how they are read; leave it out")
    return source.reading


def _count_bytes(candidate: Candidate, subject: Subject) -> float:
    """The size of the weights at the bits of their policies, which need not be those of the space that was searched."""
    architectures = subject.space.architectures
    layers = zip(architectures.layers(candidate.architecture), candidate.policy.layers, strict=True)
    rules = [PolicyRule((policy,), name=_match(layer.name)) for layer, policy in layers if policy != LayerPolicy()]
    space = JointSpace(architectures, PolicySpace(rules=tuple(rules)))
    return float(network_cost(space, SIZE)(space.encode([candidate]).genes)[0])


def _match(name: str) -> str:
    """The pattern that a name alone matches."""
    return re.sub(r"([*?[])", r"[\1]", name)
