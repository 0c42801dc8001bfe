"""A realised candidate is its own, calibrated network; measuring it leaves no trace."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from nas.compression.methods import CompressionMethods
from nas.compression.repair.recipe import LIGHT
from nas.compression.tracing.trace import trace
from nas.data.splits import Split
from nas.evaluation.realize import CandidateRealizer, one_thread
from nas.tasks.metrics.registry import MEASURED_METRICS
from search_spaces.candidate import Architecture, Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.joint_space import JointSpace


def with_policy(space: JointSpace, policy: LayerPolicy) -> Candidate:
    largest = space.largest()
    return Candidate(largest.architecture, CompressionPolicy((policy,) * len(largest.policy.layers)))


def test_accuracy_is_repeatable_whatever_was_measured_before(realizer: CandidateRealizer, space: JointSpace) -> None:
    before = copy.deepcopy(realizer.source.state_dict())
    population = space.sample(np.random.default_rng(0), 4)
    first = [realizer.measure_accuracy(population[row]) for row in range(4)]
    assert [realizer.measure_accuracy(population[row]) for row in (3, 2, 1, 0)] == first[::-1]
    assert all(torch.equal(tensor, before[name]) for name, tensor in realizer.source.state_dict().items())


def test_metrics_of_one_pass_are_those_of_passes_of_their_own(realizer: CandidateRealizer, space: JointSpace) -> None:
    candidate = space.sample(np.random.default_rng(1), 1)[0]
    every = [one for one in MEASURED_METRICS.values() if "classification" in one.tasks and one.needs_labels]
    together = realizer.measure(candidate, every, fidelity=0.5)
    assert together == {
        one.metric.name: realizer.measure(candidate, [one], fidelity=0.5)[one.metric.name] for one in every
    }
    assert together["accuracy"] == realizer.measure_accuracy(candidate, fidelity=0.5)
    assert together["worst_class_accuracy"] <= together["accuracy"]
    assert together["corrupted_accuracy"] != together["accuracy"]


def test_a_part_of_the_images_is_the_first_of_them(realizer: CandidateRealizer, space: JointSpace) -> None:
    def first(images: Split) -> Split:
        return images.take(slice(0, math.ceil(0.3 * len(images))))

    data = realizer.data
    part = replace(data, train=first(data.train), validation=first(data.validation))
    assert 0 < len(part.validation) < len(data.validation)
    of_part = CandidateRealizer(realizer.source, part)
    of_part.transform = data.normalization  # which is of all images that the supernet was trained on
    population = space.sample(np.random.default_rng(0), 4)
    expected = [of_part.measure_accuracy(population[row]) for row in range(4)]
    assert [realizer.measure_accuracy(population[row], fidelity=0.3) for row in range(4)] == expected
    assert expected != [realizer.measure_accuracy(population[row]) for row in range(4)]


def test_a_trained_network_is_better_than_chance(realizer: CandidateRealizer, space: JointSpace) -> None:
    # 57 to 70 % over five seeds and three arithmetics; chance is 10 % with a standard deviation of 3 over 80 images
    assert realizer.measure_accuracy(space.largest()) > 30


@torch.no_grad()
def test_fewer_bits_move_the_logits_further(realizer: CandidateRealizer, space: JointSpace) -> None:
    largest = space.largest().architecture
    inputs = realizer.transform.inputs(realizer.data.validation.images, largest.resolution)
    exact = realizer.realize(with_policy(space, LayerPolicy()))(inputs)
    eight, four, two = (
        float(
            (realizer.realize(with_policy(space, LayerPolicy.quantized(*bits)))(inputs) - exact).norm() / exact.norm()
        )
        for bits in ((8, 8), (4, 8), (2, 2))
    )
    # over five seeds and three arithmetics: 0.015 to 0.023, 0.07 to 0.11 and 0.9 to 1.3
    assert 0.002 < eight < 0.04 < four < 0.3 < two


def test_networks_are_calibrated_to_the_training_images(realizer: CandidateRealizer, space: JointSpace) -> None:
    candidate = with_policy(space, LayerPolicy.quantized(4, 8))
    network = realizer.realize(candidate)
    quantizers = [module for module in network.modules() if isinstance(module, ActivationQuantizer)]
    assert all(quantizer.range is not None for quantizer in quantizers)
    layers = [module for module in network.modules() if isinstance(module, Layer)]
    assert {layer.policy for layer in layers} == {LayerPolicy.quantized(4, 8)}
    plain = realizer.source.extract(candidate.architecture)
    stem, shared = (net.get_submodule("stem.norm") for net in (network, plain))
    assert isinstance(stem, nn.BatchNorm2d)
    assert isinstance(shared, nn.BatchNorm2d)
    assert not torch.equal(stem.running_mean, shared.running_mean)


def test_batch_norm_fits_the_rounded_weights(realizer: CandidateRealizer, space: JointSpace) -> None:
    candidate = with_policy(space, LayerPolicy.quantized(2, 32))
    network = realizer.realize(candidate)
    seen: list[torch.Tensor] = []
    norm = network.get_submodule("stem.norm")
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = realizer.data.train.images[:200]  # the one whole batch that there is
    network(realizer.transform.inputs(images, candidate.architecture.resolution))
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


def test_a_given_network_is_repaired_by_the_recipe_of_the_methods(realizer: CandidateRealizer) -> None:
    """Outputs are closer to the original ones on samples that repaired it, and a candidate gives the same each time."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)
    )
    traced = trace(module.eval(), [torch.randn(2, 1, 8, 8)])
    candidate = Candidate(Architecture("mine", 8, ()), CompressionPolicy((LayerPolicy.quantized(2, 8),) * 3))
    plain = CandidateRealizer(traced, realizer.data)
    repairing = CandidateRealizer(traced, realizer.data, CompressionMethods(repair=LIGHT))
    inputs = plain.calibration_data(256).inputs
    with torch.no_grad():
        expected, nearest = module(inputs), plain.realize(candidate)(inputs)
        found, again = (repairing.realize(candidate)(inputs) for _ in range(2))
    assert torch.equal(found, again)
    assert (found - expected).square().mean() < 0.5 * (nearest - expected).square().mean()
