"""What an exported candidate tells of itself: notes in its file, and a page beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from hardware.tables.entry import LATENCY
from nas.export.model_card import ModelCard
from nas.files import atomic_write
from nas.jobs.stages.found_network import FoundNetwork
from nas.jobs.stages.subject import Subject
from results.metric import Metric
from results.pages.columns import NORMAL_90
from search_spaces.candidate import Candidate

_KINDS = {
    "measured_": "{validation:,} validation images, before the export",
    "test_": "{test:,} test images, this file",
}
_OF_LATENCY = {"predicted_": "by the latency table of {device}", "measured_": "{location}, this file"}
_ORIGIN = ("candidate", "run", "format", "device", "versions")  # notes that the page repeats


def list_notes(found: FoundNetwork, computed: Candidate, form: str, subject: Subject) -> dict[str, str]:
    """What the file tells of itself: which network it is, and what is known of that.

    Args:
        found: The candidate, and the run whose network it is.
        computed: What the file computes, which differs where its format rounds less.
        form: The format.
        subject: What it was measured on.
    """
    record, layers = found.record, subject.space.architectures.layers(computed.architecture)
    policies = {layer.name: str(policy) for layer, policy in zip(layers, computed.policy.layers, strict=True)}
    notes = {
        "candidate": computed.key,
        "run": record.run,
        "format": form,
        "policies": json.dumps(policies),
        "versions": json.dumps(dict(record.provenance.versions)),
        "device": record.device,
    }
    measured = {name: found.measured[name] for name in subject.metric_names if name in found.measured}
    if measured and computed == found.candidate:
        images = len(subject.data.validation)
        # with the standard error, where it is known
        known = {name: [value, _find_error(name, value, images, subject)] for name, value in measured.items()}
        notes["measured"] = json.dumps(known)
    return notes


def write_card(
    file: Path,
    row: Mapping[str, object],
    notes: Mapping[str, str],
    subject: Subject,
    metrics: Mapping[str, Metric],
    location: str,
) -> Path:
    """Writes the page beside a file, atomically.

    Args:
        file: The ONNX file.
        row: What was measured of it, by column as `nas.jobs.stages.candidate_export.export_candidate` gives them.
        notes: What `list_notes` gives.
        subject: What it was measured on.
        metrics: The metrics that are known, by name.
        location: The device and machine on which the file was timed.

    Returns:
        The page.
    """
    model, data = onnx.load(file), subject.data
    (read,) = model.graph.input
    told = {entry.key: entry.value for entry in model.metadata_props}
    size = data.validation.inputs.shape[-1]  # of images as they are, where any is read
    kind, open_dims = read.type.tensor_type, {"height": size, "width": size}
    shape = tuple(dim.dim_value or open_dims.get(dim.dim_param, 1) for dim in kind.shape.dim)
    values = {column: value for column, value in row.items() if isinstance(value, float) and not math.isnan(value)}
    places = {"device": notes["device"], "location": location}
    card = ModelCard(
        file.name,
        f"Network {notes['candidate']}, exported by nas in format {notes['format']}.",
        told["inputs"],
        shape,
        str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)),
        data.names,
        [_describe(column, value, places, subject, metrics) for column, value in values.items()],
        json.loads(notes["policies"]),
        {name: notes[name] for name in _ORIGIN} | {"onnxruntime": told["onnxruntime"]},
    )
    path = file.with_suffix(".md")
    with atomic_write(path) as draft:
        draft.write_text(card.to_markdown(), encoding="utf-8")
    return path


def _describe(
    column: str, value: float, places: Mapping[str, str], subject: Subject, metrics: Mapping[str, Metric]
) -> tuple[str, str, str]:
    """Metric, value with the half of its 90 % interval where that is known, and on what it was measured."""
    kind = next((kind for kind in (*_KINDS, *_OF_LATENCY) if column.startswith(kind)), "")
    name = column.removeprefix(kind)
    images = {"validation": len(subject.data.validation), "test": len(subject.data.test)}
    where = (_OF_LATENCY if name == LATENCY else _KINDS).get(kind, "at the bits of the policy")
    error = _find_error(name, value, images["test" if kind == "test_" else "validation"], subject)
    spread = "" if error is None else f" ± {NORMAL_90 * error:.2g}"
    return metrics[name].label, f"{metrics[name].render(value)}{spread}", where.format(**images, **places)


def _find_error(name: str, value: float, images: int, subject: Subject) -> float | None:
    """The standard error of a measured value; None where it is not known."""
    known = next((one for one in subject.measurement.metrics if one.metric.name == name), None)
    errors = None if known is None else known.standard_error(np.array([value]), images)
    return None if errors is None else float(errors[0])
