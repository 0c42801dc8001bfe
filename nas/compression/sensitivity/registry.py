"""Sensitivity metrics by name. An entry is loaded, and torch, when its name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Located, Registry

if TYPE_CHECKING:
    from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric

_ROOM = "nas.compression.sensitivity"


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


def _macro_influence() -> SensitivityMetric:
    from nas.compression.sensitivity.macro_influence import CosineDistance
    from nas.compression.sensitivity.measured_alone import MeasuredAlone

    return MeasuredAlone(CosineDistance())


SENSITIVITY_METRICS: Registry[Callable[[], SensitivityMetric]] = Registry(
    "sensitivity metric",
    {
        "weight_distortion": Located(f"{_ROOM}.weight_distortion", "WeightDistortion"),
        "repaired_divergence": Located(f"{_ROOM}.repaired_divergence", "RepairedDivergence"),
        "output_distortion": _output_distortion,
        "output_divergence": _output_divergence,
        "measured_loss": _measured_loss,
        "fisher": Located(f"{_ROOM}.fisher", "Fisher"),
        "gauss_newton_trace": Located(f"{_ROOM}.gauss_newton_trace", "GaussNewtonTrace"),
        "hutchinson_trace": Located(f"{_ROOM}.hutchinson_trace", "HutchinsonTrace"),
        "top_eigenvalue": Located(f"{_ROOM}.top_eigenvalue", "TopEigenvalue"),
        "z_score": Located(f"{_ROOM}.z_score", "ZScore"),
        "lim": Located(f"{_ROOM}.input_output_similarity", "InputOutputSimilarity"),
        "effective_rank": Located(f"{_ROOM}.effective_rank", "EffectiveRank"),
        "arank": Located(f"{_ROOM}.attention_rank", "AttentionRank"),
        "activation_entropy": Located(f"{_ROOM}.activation_entropy", "ActivationEntropy"),
        "macro_influence": _macro_influence,
        "optin": Located(f"{_ROOM}.optin", "Optin"),
    },
)
