"""Accuracy at few bits is read off a supernet that was trained for it, without fine-tuning."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np

from nas.data.sources import load_images
from nas.data.splits import DataSplits
from nas.evaluation.realize import CandidateRealizer
from nas.training.plan import TrainingPlan
from nas.training.schedules.registry import create_schedule
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8", "w2a8"]))
EPOCHS, SEEDS = 3, (0, 1)
SETTINGS = TrainingSettings(batch_size=64)


def accuracy_at_two_bits(net: Supernet, images: DataSplits) -> float:
    """Mean percent of six subnets, all their layers at w2a8."""
    realizer, drawn = CandidateRealizer(net, images), SPACE.sample(np.random.default_rng(0), 4).candidates
    found = []
    for one in (SPACE.largest().architecture, SPACE.smallest().architecture, *(one.architecture for one in drawn)):
        policy = CompressionPolicy((LayerPolicy.quantized(2, 8),) * len(SPACE.architectures.layers(one)))
        found.append(realizer.measure_accuracy(Candidate(one, policy)))
    return float(np.mean(found))


def gain_of_bits(seed: int, folder: Path) -> float:
    """What the phase of bits adds at two bits, over a phase of as many steps in floating point."""
    images, start = load_images("digits", split_seed=seed), build_supernet(SPACE.architectures, seed)
    floating, bits = create_schedule("multi_precision", EPOCHS, 0.1, SPACE).phases
    same = replace(
        bits, open={name: value for name, value in bits.open.items() if name != "policy"}, bit_sampling="uniform"
    )
    train_supernet(start, images, TrainingPlan(SPACE, Schedule((floating,)), SETTINGS, seed), folder)
    found = []
    for phase in (bits, same):
        net = copy.deepcopy(start)
        train_supernet(net, images, TrainingPlan(SPACE, Schedule((phase,)), SETTINGS, seed), folder)
        found.append(accuracy_at_two_bits(net, images))
    return found[0] - found[1]


def test_training_with_bits_pays_at_two_bits(tmp_path: Path) -> None:
    gains = [gain_of_bits(seed, tmp_path) for seed in SEEDS]
    assert np.mean(gains) > 0, gains  # of six seeds and splits 9 to 21 points, mean 16, deviation 5
