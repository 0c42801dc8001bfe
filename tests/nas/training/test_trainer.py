"""Training learns, and a killed one goes on as if never interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nas.data.images import ImageData
from nas.data.sources import load_images
from nas.evaluation.realize import CandidateRealizer
from nas.training.checkpoint import load_checkpoint
from nas.training.trainer import TrainingSettings, train_supernet
from search_spaces.elastic.registry import supernet
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.registry import search_space

SETTINGS = TrainingSettings(
    full_epochs=1,
    sandwich_epochs=2,
    batch_size=50,
    learning_rate=0.1,
    weight_decay=3e-5,
    label_smoothing=0.1,
    random_subnets=1,
    flip=False,
)
STEPS = 3  # per epoch, on 150 images


class Killed(Exception):
    """Ends a training from outside."""


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_images("digits")


def few(digits: ImageData) -> ImageData:
    return replace(digits, train=digits.train.take(slice(0, 150)))


def net(name: str, seed: int = 0) -> Supernet:
    return supernet(search_space(name, 1, 10), seed)


def train(name: str, data: ImageData, folder: Path, settings: TrainingSettings = SETTINGS, kill_at: int = 0) -> Path:
    def progress(done: int, shown: str) -> None:
        assert shown.startswith("loss")
        if done == kill_at:
            raise Killed

    return train_supernet(net(name), data, settings, seed=5, folder=folder, progress=progress)


@pytest.fixture(scope="module", params=["mobilenet_v3_digits", "resnet_digits"])
def undisturbed(request: pytest.FixtureRequest, digits: ImageData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a training that nothing interrupted; its folder has the name of its space."""
    folder = tmp_path_factory.mktemp("undisturbed") / request.param
    folder.mkdir()
    return train(request.param, few(digits), folder)


@pytest.mark.parametrize("kill_at", [STEPS - 1, STEPS + 1, 3 * STEPS], ids=["first", "sorted", "last step"])
def test_a_killed_training_ends_with_the_same_bits(
    undisturbed: Path, digits: ImageData, tmp_path: Path, kill_at: int
) -> None:
    name = undisturbed.parent.name
    with pytest.raises(Killed):
        train(name, few(digits), tmp_path, kill_at=kill_at)
    finished = train(name, few(digits), tmp_path)
    expected, found = load_file(undisturbed), load_file(finished)
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    assert [path.name for path in tmp_path.iterdir()] == ["supernet.safetensors"]


def test_a_resumed_training_repeats_no_finished_epoch(digits: ImageData, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train("resnet_digits", few(digits), tmp_path, kill_at=STEPS + 1)
    seen: list[int] = []
    data = few(digits)
    train_supernet(net("resnet_digits"), data, SETTINGS, 5, tmp_path, lambda done, _shown: seen.append(done))
    assert seen == list(range(STEPS + 1, 3 * STEPS + 1))


def test_all_subnets_learn_the_digits(digits: ImageData, tmp_path: Path) -> None:
    settings = replace(SETTINGS, full_epochs=2, sandwich_epochs=5, batch_size=64)
    trained = net("resnet_digits", seed=9)
    load_checkpoint(train("resnet_digits", digits, tmp_path, settings), trained)
    joint, realizer = JointSpace(trained.space), CandidateRealizer(trained, digits)
    random = joint.sample(np.random.default_rng(0), 1)[0]
    accuracies = [realizer.accuracy(candidate) for candidate in (joint.largest(), joint.smallest(), random)]
    assert min(accuracies) > 80  # chance is 10


def test_trainings_that_cannot_work_are_refused(digits: ImageData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size 200 exceeds the 150 training images"):
        train("resnet_digits", few(digits), tmp_path, replace(SETTINGS, batch_size=200))
    with pytest.raises(ValueError, match=r"the loss became (nan|inf) in epoch \d; lower training.learning_rate"):
        train("resnet_digits", few(digits), tmp_path, replace(SETTINGS, learning_rate=1e30))


def test_a_checkpoint_of_another_space_stops_the_training_and_stays(digits: ImageData, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train("resnet_digits", few(digits), tmp_path, kill_at=STEPS + 1)
    before = (tmp_path / "training.safetensors").read_bytes()
    with pytest.raises(ValueError, match="checkpoint of 'resnet_digits'; this job needs one of 'mobilenet_v3_digits'"):
        train("mobilenet_v3_digits", few(digits), tmp_path)
    assert (tmp_path / "training.safetensors").read_bytes() == before


def test_a_training_by_other_settings_is_not_gone_on_with(digits: ImageData, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train("resnet_digits", few(digits), tmp_path, kill_at=STEPS + 1)
    with pytest.raises(ValueError, match=r"is a training by .*seed \d, not by .*label_smoothing=0.0.* another folder"):
        train("resnet_digits", few(digits), tmp_path, replace(SETTINGS, label_smoothing=0.0))
