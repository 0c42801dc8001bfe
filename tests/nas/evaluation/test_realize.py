"""A realised candidate is its own, calibrated network; measuring it leaves no trace."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from nas.evaluation.realize import CandidateRealizer, one_thread
from search_spaces.candidate import Candidate, CompressionPolicy, LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.joint_space import JointSpace


def with_policy(space: JointSpace, policy: LayerPolicy) -> Candidate:
    largest = space.largest()
    return Candidate(largest.architecture, CompressionPolicy((policy,) * len(largest.policy.layers)))


def test_accuracy_is_repeatable_whatever_was_measured_before(realizer: CandidateRealizer, space: JointSpace) -> None:
    before = copy.deepcopy(realizer.supernet.state_dict())
    population = space.sample(np.random.default_rng(0), 4)
    first = [realizer.accuracy(population[row]) for row in range(4)]
    assert [realizer.accuracy(population[row]) for row in (3, 2, 1, 0)] == first[::-1]
    assert all(torch.equal(tensor, before[name]) for name, tensor in realizer.supernet.state_dict().items())


def test_a_part_of_the_images_gives_an_accuracy_near_by(realizer: CandidateRealizer, space: JointSpace) -> None:
    population = space.sample(np.random.default_rng(0), 4)
    images = math.ceil(0.3 * len(realizer.data.validation))
    for row in range(4):
        whole, part = realizer.accuracy(population[row]), realizer.accuracy(population[row], fidelity=0.3)
        assert part * images / 100 == pytest.approx(round(part * images / 100))
        assert part != whole
        assert abs(part - whole) < 15


def test_a_trained_network_is_better_than_chance_and_two_bits_ruin_it(
    realizer: CandidateRealizer, space: JointSpace
) -> None:
    accuracies = [realizer.accuracy(with_policy(space, LayerPolicy(*bits))) for bits in ((32, 32), (8, 8), (2, 2))]
    assert accuracies[0] > 40  # chance is 10
    assert abs(accuracies[1] - accuracies[0]) < 5
    assert accuracies[2] < accuracies[0] - 10


def test_networks_are_calibrated_to_the_training_images(realizer: CandidateRealizer, space: JointSpace) -> None:
    candidate = with_policy(space, LayerPolicy(4, 8))
    network = realizer.network(candidate)
    quantizers = [module for module in network.modules() if isinstance(module, ActivationQuantizer)]
    assert all(quantizer.range is not None for quantizer in quantizers)
    layers = [module for module in network.modules() if isinstance(module, Layer)]
    assert {layer.policy for layer in layers} == {LayerPolicy(4, 8)}
    plain = realizer.supernet.extract(candidate.architecture)
    stem, shared = (net.get_submodule("stem.norm") for net in (network, plain))
    assert isinstance(stem, nn.BatchNorm2d)
    assert isinstance(shared, nn.BatchNorm2d)
    assert not torch.equal(stem.running_mean, shared.running_mean)


def test_batch_norm_fits_the_rounded_weights(realizer: CandidateRealizer, space: JointSpace) -> None:
    candidate = with_policy(space, LayerPolicy(2, 32))
    network = realizer.network(candidate)
    seen: list[torch.Tensor] = []
    norm = network.get_submodule("stem.norm")
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = realizer.data.train.images[:200]  # the one whole batch that there is
    network(realizer.normalization.inputs(images, candidate.architecture.resolution))
    assert isinstance(norm, nn.BatchNorm2d)
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, seen[0].var((0, 2, 3)), rtol=1e-3, atol=1e-5)


def test_one_thread_is_used_and_given_back() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
