"""Export networks of a front, run them in onnxruntime, and list what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from nas.export.description import NetworkDescription
from nas.files import atomic_write
from nas.jobs.execution import Execution
from nas.jobs.files.search_section import is_table_cost
from nas.jobs.stages.manifests import state_latencies
from nas.jobs.stages.network_files import (
    MEASURED,
    FileForm,
    export_network,
    make_once,
    store_networks,
    time_files,
)
from nas.jobs.stages.search_outcome import SearchOutcome
from nas.jobs.stages.subject import Subject
from search_spaces.candidate import Candidate
from search_spaces.search_space import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

LAYERS = "layers.csv"


@dataclass(frozen=True)
class Export:
    """Networks as files.

    Attributes:
        networks: One row per network. Columns: role (why it was chosen), key, those that follow from the objectives,
            and file. Of a measured metric X these are predicted_X (where the search predicted), measured_X (on the
            validation images), expected_X and expected_X_std (on new images, given all measurements, and its standard
            deviation) and test_X (on the test images, by the ONNX file); of a cost that a table tells predicted_X, and
            for latency measured_latency_ms (of the ONNX file; NaN where this machine cannot tell); of an analytic cost
            its name. All are in the unit of the metric.
        folder: Holds the files, this table as `networks.csv`, and the policy of every layer as `layers.csv` (columns
            file, layer, operator, policy).
    """

    networks: pd.DataFrame
    folder: Path


def export(
    count: int, outcome: SearchOutcome, subject: Subject, table: LatencyTable | None, execution: Execution
) -> Export:
    """Exports, checks and measures the chosen networks of a front, unless that is done.

    Args:
        count: Largest number of networks.
        outcome: The outcome of the search.
        subject: The network and the images that it was measured on.
        table: The latency table, on whose device, and at whose machine speed, files are timed; None times no files.
        execution: The runs and the reporter of the job.

    Raises:
        ExportMismatch: If onnxruntime and torch compute different outputs.
        ValueError: If they were exported, and a file was damaged.
    """
    runs, reporter = execution.runs, execution.reporter
    inputs = {"front": outcome.record.run, "count": count, "location": None if table is None else table.location}
    folder, front = runs.path("export", inputs), outcome.front
    roles = front.choose_roles(count)

    def make() -> pd.DataFrame:
        return _exported(folder, roles, outcome, subject, table, execution)

    def say(state: str) -> None:
        reporter.say(f"export   {state}: {folder}")

    networks = make_once(folder, make, say, (LAYERS,), runs.metrics)
    chosen = {front.population[row].key: front.population[row] for row in roles.values()}
    # an earlier start may have chosen others, where a library or a processor has changed since
    candidates = [chosen.get(key) or runs.database.candidate(key) for key in networks["key"]]
    record = runs.record("export", inputs, outcome.record.device)
    store_networks(networks, candidates, "exported", record, runs)
    return Export(networks, folder)


def _exported(
    folder: Path,
    roles: dict[str, int],
    outcome: SearchOutcome,
    subject: Subject,
    table: LatencyTable | None,
    execution: Execution,
) -> pd.DataFrame:
    import pandas as pd

    realizer, rows = subject.realizer(), list(roles.values())
    candidates = [outcome.front.population[row] for row in rows]
    names = [f"{role.replace(' ', '-')}-{one.key[:8]}.onnx" for role, one in zip(roles, candidates, strict=True)]
    tested = []
    with execution.reporter.bar("export to ONNX", len(names)) as bar:
        for candidate, name in zip(candidates, names, strict=True):
            resolution = candidate.architecture.resolution
            layers = subject.space.architectures.layers(candidate.architecture)
            form = FileForm(execution.target, description=NetworkDescription(candidate, layers))
            file, network = folder / name, realizer.realize(candidate)
            tested.append(export_network(network, resolution, realizer, subject, file, form))
            bar.advance(1, name)
    with atomic_write(folder / LAYERS) as draft:
        _list_layers(subject.space.architectures, candidates, names).to_csv(draft, index=False)
    known = outcome.table.iloc[rows].reset_index(drop=True)
    columns: dict[str, Any] = {"role": list(roles), "key": [candidate.key for candidate in candidates]}
    for objective in outcome.front.objectives:
        name = objective.metric.name
        if name in outcome.measured_names:
            wanted = (f"predicted_{name}", f"{MEASURED}{name}", f"expected_{name}", f"expected_{name}_std")
            columns |= {column: known[column] for column in wanted if column in known}
            columns[f"test_{name}"] = [found[name] for found in tested]
        else:
            columns[f"predicted_{name}" if is_table_cost(name) else name] = known[name]
        if name == LATENCY:
            files = [folder / file for file in names]
            columns[f"{MEASURED}{name}"] = measured = time_files(table, files, candidates, subject.data)
            state_latencies(table, files, [*known[name]], measured)
    return pd.DataFrame(columns | {"file": names})


def _list_layers(space: SearchSpace, candidates: Sequence[Candidate], files: Sequence[str]) -> pd.DataFrame:
    """One row for each layer of each network: what it computes, and how it is compressed."""
    import pandas as pd

    rows = [
        (file, layer.name, layer.operator.name, str(policy))
        for file, candidate in zip(files, candidates, strict=True)
        for layer, policy in zip(space.layers(candidate.architecture), candidate.policy.layers, strict=True)
    ]
    return pd.DataFrame(rows, columns=["file", "layer", "operator", "policy"])
