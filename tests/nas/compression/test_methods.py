"""One word means one thing: no two methods of compression share the name of their class."""

from __future__ import annotations

import pytest
from torch import Tensor

from nas.compression.allocation.registry import ALLOCATORS
from nas.compression.low_rank.registry import FACTORIZATIONS
from nas.compression.methods import CompressionMethods
from nas.compression.observers.registry import OBSERVERS
from nas.compression.quantizers.registry import QUANTIZERS
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from search_spaces.elastic.weight_steps import MaxAbsSteps, Quantizer


def test_methods_have_distinct_texts_by_which_runs_are_named() -> None:
    registries = (OBSERVERS, QUANTIZERS, FACTORIZATIONS, SENSITIVITY_METRICS, ALLOCATORS)
    texts = [repr(make()) for known in registries for make in known.values()]
    assert len(texts) == len({*texts})
    assert not [text for text in texts if " at 0x" in text]


def test_methods_must_be_values() -> None:
    class Plain(Quantizer):
        def steps(self, weight: Tensor, bits: int) -> Tensor:
            return MaxAbsSteps().steps(weight, bits)

    with pytest.raises(ValueError, match=r"must be frozen dataclasses.*Plain"):
        CompressionMethods(quantizer=Plain())
