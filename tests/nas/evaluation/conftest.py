"""A supernet trained for a moment on a few digits, and how to measure its subnets."""

from __future__ import annotations

import pytest

from nas.data.splits import DataSplits
from nas.evaluation.measurement import DataSource, ImageMeasurement
from nas.evaluation.realize import CandidateRealizer
from nas.training.plan import TrainingPlan
from nas.training.schedules.registry import create_schedule
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet
from search_spaces.elastic.supernet import build_supernet
from search_spaces.families.resnet import BASIC, ResNetShape, ResNetSpace, ResNetStage
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace

SHAPE = ResNetShape(
    resolutions=(12, 16),
    stem_width=8,
    block_kernels=BASIC,
    inner_ratios=(0.5, 1.0),
    shortcut="conv",
    stages=(ResNetStage((16, 24), (1, 2), 2), ResNetStage((24, 32), (1, 2), 2)),
)


@pytest.fixture(scope="session")
def measurement(tmp_path_factory: pytest.TempPathFactory) -> ImageMeasurement:
    source = DataSource("digits", limit=400)
    # in no registry: workers of all kinds get spaces as values, not as names
    joint = JointSpace(ResNetSpace("of_these_tests", SHAPE, 1, 10))
    net = build_supernet(joint.architectures, seed=0)
    folder = tmp_path_factory.mktemp("trained")
    schedule, settings = create_schedule("deps", 3, 0.1, joint), TrainingSettings(batch_size=50)
    checkpoint = train_supernet(net, source.load(), TrainingPlan(joint, schedule, settings), folder)
    return ImageMeasurement(checkpoint, joint.architectures, source)


@pytest.fixture(scope="session")
def digits(measurement: ImageMeasurement) -> DataSplits:
    return measurement.data.load()


@pytest.fixture(scope="session")
def realizer(measurement: ImageMeasurement, digits: DataSplits) -> CandidateRealizer:
    return measurement.realizer(digits)


@pytest.fixture(scope="session")
def space(realizer: CandidateRealizer) -> JointSpace:
    return JointSpace(realizer.source.space, PolicySpace.parse(["w32a32", "w8a8", "w3a8"]))
