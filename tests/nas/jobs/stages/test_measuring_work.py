from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nas.compression.methods import DEFAULT_METHODS
from nas.compression.repair.recipe import LIGHT
from nas.compression.tracing.trace import trace
from nas.data.sources import DataSource
from nas.evaluation.measurement import ImageMeasurement
from nas.jobs.stages.measuring_work import tabulate_work
from nas.jobs.stages.subject import Subject
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space


def subject(*policies: str, repaired: bool) -> Subject:
    """A network of two linear layers on the digits."""
    traced = trace(nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Linear(32, 10)), [torch.zeros(2, 1, 8, 8)])
    space, source = JointSpace(traced.space("net"), PolicySpace.parse(list(policies))), DataSource("digits", limit=200)
    methods = replace(DEFAULT_METHODS, repair=LIGHT if repaired else None)
    return Subject(space, ImageMeasurement(Path("net"), space.architectures, source, methods=methods), source.load())


def test_layers_that_are_repaired_are_work_and_small_ranks_save_some() -> None:
    opened = subject("w32a32", "w8a8", "w8a8-rank0.5", repaired=True)
    work = tabulate_work(opened)
    assert work is not None
    none, first, second, both, halved = work(
        np.array([[0, 0], [1, 0], [0, 1], [1, 1], [2, 2]], dtype=np.int16)
    ).tolist()
    assert first > second > none
    assert first + second - none == both
    assert halved < both
    assert none == (64 * 32 + 32 * 10) * (len(opened.data.validation) + len(opened.data.train))


def test_between_bits_of_fitted_weights_or_of_activations_there_is_no_difference() -> None:
    assert tabulate_work(subject("w8a8", "w4a8", repaired=True)) is None
    assert tabulate_work(subject("w32a32", "w4a8", repaired=False)) is None
    assert tabulate_work(subject("w8a8", "w8a8-rank0.5", repaired=False)) is not None
    assert tabulate_work(subject("w32a32", "w32a8", repaired=True)) is None  # no weight is fitted
    supernet = create_space("resnet_digits", 1, 10)
    opened = subject("w32a32", "w4a8", repaired=True)
    assert tabulate_work(replace(opened, measurement=replace(opened.measurement, space=supernet))) is None
