"""Measured metrics by name. Listing them loads no torch."""

from __future__ import annotations

from nas.tasks.metrics.accuracy import Accuracy
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.tasks.metrics.worst_class_accuracy import WorstClassAccuracy
from search_spaces.registry import Registry

MEASURED_METRICS: Registry[MeasuredMetric] = Registry(
    "measured metric",
    {entry.metric.name: entry for entry in (Accuracy(), WorstClassAccuracy())},
    lambda entry: isinstance(entry, MeasuredMetric),
)
