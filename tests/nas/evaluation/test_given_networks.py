"""A given network with fewer channels is fitted once to the whole one, and then compressed like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.methods import CompressionMethods
from nas.compression.pruning.pruner import Pruner
from nas.compression.repair.recipe import LIGHT, Recipe
from nas.compression.repair.repair_network import Repairer
from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import save_traced
from nas.data.sources import DataSource
from nas.evaluation.measurement import ImageMeasurement
from nas.evaluation.realize import REPAIR_SAMPLES, one_thread
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace


@pytest.fixture
def given(tmp_path: Path) -> ImageMeasurement:
    """A network whose eight channels may be four, too."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)).eval()
    traced = trace(net, [torch.zeros(2, 1, 8, 8)])
    save_traced(tmp_path / "net.safetensors", traced)
    space = traced.space("small", ((4, 8),))
    return ImageMeasurement(tmp_path / "net.safetensors", space, DataSource("digits", limit=200))


@pytest.mark.parametrize("recipe", [None, LIGHT])
def test_a_width_is_the_pruned_network_under_the_policy(given: ImageMeasurement, recipe: Recipe | None) -> None:
    data, methods = given.data.load(), CompressionMethods(repair=recipe)
    measurement = ImageMeasurement(given.checkpoint, given.space, given.data, methods=methods)
    realizer, space = measurement.realizer(data), JointSpace(given.space, PolicySpace.parse(["w32a32", "w8a8"]))
    narrow, whole = space.population(np.array([[0, 1, 1], [1, 1, 1]])).candidates
    found = realizer.realize(narrow)
    assert isinstance(found, GraphNetwork)
    assert tuple(found.graph.parameter_shapes["0.weight"]) == (4, 1, 3, 3)
    with one_thread():  # sums of several threads have another order
        given_subject = realizer.given.subject(whole.architecture)
        assert given_subject.traced is realizer.source
        pruner = Pruner(given_subject, CoupledChannels.from_graph(given_subject.traced.graph), LIGHT)
        expected = pruner.prune(np.arange(8) < 4)
    subject = realizer.given.subject(narrow.architecture)
    assert all(torch.equal(subject.traced.parameters[name], one) for name, one in expected.parameters.items())
    assert realizer.given.subject(narrow.architecture) is subject
    inputs = realizer.calibration_data(REPAIR_SAMPLES).inputs
    with one_thread(), torch.no_grad():
        pruned = replace(given_subject, traced=expected)
        if recipe is None:
            by_hand = pruned.compress(narrow.policy)
            by_hand.keep_rounded_weights()
            calibrate(by_hand, [inputs], methods.observer)
            round_biases(by_hand)
        else:
            by_hand = Repairer(pruned, recipe).repair(narrow.policy)
        assert torch.equal(found(inputs), by_hand(inputs))
        assert not torch.equal(found(inputs), expected.network()(inputs))
