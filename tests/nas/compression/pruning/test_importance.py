"""The contract of importances, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nas.compression.pruning.registry import IMPORTANCES
from nas.compression.subject import CompressionSubject
from search_spaces.channels.coupled_channels import CoupledChannels


@pytest.mark.parametrize("name", list(IMPORTANCES))
def test_scores_are_of_each_channel_and_least_of_one_that_nothing_reads(name: str, subject: CompressionSubject) -> None:
    channels = CoupledChannels.from_graph(subject.traced.graph)
    stem, hidden = channels.groups
    before = {tensor: value.clone() for tensor, value in subject.traced.parameters.items()}
    importance = IMPORTANCES[name]()
    scores = importance.score(subject, channels)
    assert scores.shape == (14,)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert (stem.size, hidden.size) == (6, 8)
    assert scores[hidden.channels].argmin() == 1
    if name != "magnitude":
        assert scores[hidden.first + 1] == pytest.approx(0, abs=1e-12)
    assert np.array_equal(scores, importance.score(subject, channels))
    assert all(torch.equal(subject.traced.parameters[tensor], value) for tensor, value in before.items())
    assert importance == IMPORTANCES[name]()


@pytest.mark.parametrize("name", ["taylor", "trajectory", "relevance"])
def test_what_needs_data_says_so_and_needs_no_labels(name: str, subject: CompressionSubject) -> None:
    channels = CoupledChannels.from_graph(subject.traced.graph)
    with pytest.raises(ValueError, match="this needs calibration data"):
        IMPORTANCES[name]().score(replace(subject, data=None), channels)
    unlabelled = replace(subject, data=replace(subject.need_data(), labels=None))
    assert np.isfinite(IMPORTANCES[name]().score(unlabelled, channels)).all()
