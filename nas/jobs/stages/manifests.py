"""What a job knows of an exported file, in the words of its manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hardware.tables.latency_table import LatencyTable
from nas.jobs.stages.subject import Subject
from nas.verification.manifest import Latency, Value
from nas.verification.manifest_file import read_manifest, write_manifest


def describe_values(found: Mapping[str, float], subject: Subject) -> dict[str, Value]:
    """Metrics of a file on the test samples, each with its standard error where that is known.

    Args:
        found: The values by name of the metric.
        subject: What was measured.
    """
    described = {}
    for one in subject.measurement.metrics:
        value = found[one.metric.name]
        errors = one.standard_error(np.array([value]), len(subject.data.test))
        described[one.metric.name] = Value(value, None if errors is None else float(errors[0]), "test")
    return described


def state_latencies(
    table: LatencyTable | None, files: Sequence[Path], predicted: Sequence[float], measured: Sequence[float]
) -> None:
    """Writes latencies into the manifests of files.

    Args:
        table: The latency table by which they were predicted, and on whose device they were measured; None states none.
        files: The ONNX files.
        predicted: Milliseconds for a batch by the table, for each file; NaN where nothing predicts them.
        measured: Measured ones; NaN where they were not measured.
    """
    if table is None:
        return
    for file, *latencies in zip(files, predicted, measured, strict=True):
        known = [None if math.isnan(one) else float(one) for one in latencies]
        latency = Latency(table.location, table.device.batch, table.device.threads, *known)
        write_manifest(replace(read_manifest(file), latency=latency), file.parent)
