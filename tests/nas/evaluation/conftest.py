"""A supernet trained for a moment on a few digits, and how to measure its subnets."""

from __future__ import annotations

import pytest

from nas.data.images import ImageData
from nas.evaluation.measurement import DataSource, ImageMeasurement
from nas.evaluation.realize import CandidateRealizer
from nas.training.plan import TrainingPlan
from nas.training.schedules.registry import create_schedule
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space


@pytest.fixture(scope="session")
def measurement(tmp_path_factory: pytest.TempPathFactory) -> ImageMeasurement:
    source = DataSource("digits", limit=400)
    joint = JointSpace(create_space("resnet_digits", 1, 10))
    net = build_supernet(joint.architectures, seed=0)
    folder = tmp_path_factory.mktemp("trained")
    schedule, settings = create_schedule("deps", 3, 0.1, joint), TrainingSettings(batch_size=50)
    checkpoint = train_supernet(net, source.load(), TrainingPlan(joint, schedule, settings), folder)
    return ImageMeasurement(checkpoint, joint.architectures, source)


@pytest.fixture(scope="session")
def digits(measurement: ImageMeasurement) -> ImageData:
    return measurement.data.load()


@pytest.fixture(scope="session")
def realizer(measurement: ImageMeasurement, digits: ImageData) -> CandidateRealizer:
    return measurement.realizer(digits)


@pytest.fixture(scope="session")
def space(realizer: CandidateRealizer) -> JointSpace:
    return JointSpace(realizer.source.space, PolicySpace.parse(["w32a32", "w8a8", "w3a8"]))
