"""Measured metrics by name. Listing them loads no torch."""

from __future__ import annotations

from nas.tasks.metrics.accuracy import Accuracy, CorruptedAccuracy, Top5Accuracy
from nas.tasks.metrics.agreement import ExplainedVariance, OutputDivergence, Top1Agreement
from nas.tasks.metrics.average_precision import MeanAveragePrecision
from nas.tasks.metrics.calibration import ExpectedCalibrationError
from nas.tasks.metrics.errors import R2, MeanAbsoluteError, RootMeanSquaredError
from nas.tasks.metrics.f1 import MacroF1, MicroF1
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.tasks.metrics.worst_class_accuracy import WorstClassAccuracy
from search_spaces.registry import Registry

_METRICS: tuple[MeasuredMetric, ...] = (
    Accuracy(),
    WorstClassAccuracy(),
    Top5Accuracy(),
    CorruptedAccuracy(),
    ExpectedCalibrationError(),
    MacroF1(),
    MeanAveragePrecision(),
    MicroF1(),
    MeanAbsoluteError(),
    RootMeanSquaredError(),
    R2(),
    Top1Agreement(),
    ExplainedVariance(),
    OutputDivergence(),
)
MEASURED_METRICS: Registry[MeasuredMetric] = Registry(
    "measured metric",
    {entry.metric.name: entry for entry in _METRICS},
    lambda entry: isinstance(entry, MeasuredMetric),
)
