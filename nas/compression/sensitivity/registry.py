"""Sensitivity metrics by name. An entry loads its module and torch when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric


def _weight_distortion() -> SensitivityMetric:
    from nas.compression.sensitivity.weight_distortion import WeightDistortion

    return WeightDistortion()


def _repaired_divergence() -> SensitivityMetric:
    from nas.compression.sensitivity.repaired_divergence import RepairedDivergence

    return RepairedDivergence()


def _output_distortion() -> SensitivityMetric:
    from nas.compression.sensitivity.degradation import SquaredError
    from nas.compression.sensitivity.measured_alone import MeasuredAlone

    return MeasuredAlone(SquaredError())


def _output_divergence() -> SensitivityMetric:
    from nas.compression.sensitivity.degradation import Divergence
    from nas.compression.sensitivity.measured_alone import MeasuredAlone

    return MeasuredAlone(Divergence())


def _measured_loss() -> SensitivityMetric:
    from nas.compression.sensitivity.degradation import LossRise
    from nas.compression.sensitivity.measured_alone import MeasuredAlone

    return MeasuredAlone(LossRise())


def _fisher() -> SensitivityMetric:
    from nas.compression.sensitivity.fisher import Fisher

    return Fisher()


def _gauss_newton_trace() -> SensitivityMetric:
    from nas.compression.sensitivity.gauss_newton_trace import GaussNewtonTrace

    return GaussNewtonTrace()


def _hutchinson_trace() -> SensitivityMetric:
    from nas.compression.sensitivity.hutchinson_trace import HutchinsonTrace

    return HutchinsonTrace()


def _top_eigenvalue() -> SensitivityMetric:
    from nas.compression.sensitivity.top_eigenvalue import TopEigenvalue

    return TopEigenvalue()


def _z_score() -> SensitivityMetric:
    from nas.compression.sensitivity.z_score import ZScore

    return ZScore()


def _input_output_similarity() -> SensitivityMetric:
    from nas.compression.sensitivity.input_output_similarity import InputOutputSimilarity

    return InputOutputSimilarity()


def _attention_rank() -> SensitivityMetric:
    from nas.compression.sensitivity.attention_rank import AttentionRank

    return AttentionRank()


def _effective_rank() -> SensitivityMetric:
    from nas.compression.sensitivity.effective_rank import EffectiveRank

    return EffectiveRank()


def _activation_entropy() -> SensitivityMetric:
    from nas.compression.sensitivity.activation_entropy import ActivationEntropy

    return ActivationEntropy()


def _macro_influence() -> SensitivityMetric:
    from nas.compression.sensitivity.macro_influence import CosineDistance
    from nas.compression.sensitivity.measured_alone import MeasuredAlone

    return MeasuredAlone(CosineDistance())


def _optin() -> SensitivityMetric:
    from nas.compression.sensitivity.optin import Optin

    return Optin()


SENSITIVITY_METRICS: Registry[Callable[[], SensitivityMetric]] = Registry(
    "sensitivity metric",
    {
        "weight_distortion": _weight_distortion,
        "repaired_divergence": _repaired_divergence,
        "output_distortion": _output_distortion,
        "output_divergence": _output_divergence,
        "measured_loss": _measured_loss,
        "fisher": _fisher,
        "gauss_newton_trace": _gauss_newton_trace,
        "hutchinson_trace": _hutchinson_trace,
        "top_eigenvalue": _top_eigenvalue,
        "z_score": _z_score,
        "lim": _input_output_similarity,
        "effective_rank": _effective_rank,
        "arank": _attention_rank,
        "activation_entropy": _activation_entropy,
        "macro_influence": _macro_influence,
        "optin": _optin,
    },
)
