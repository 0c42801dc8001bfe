"""Accuracy at few bits is read off a supernet that was trained for it, without fine-tuning."""

from __future__ import annotations

from pathlib import Path

from nas.data.sources import load_images
from nas.evaluation.realize import CandidateRealizer
from nas.training.presets import preset
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet
from search_spaces.candidate import Candidate, CompressionPolicy, LayerPolicy
from search_spaces.elastic.registry import supernet
from search_spaces.joint_space import JointSpace, PolicySpace
from search_spaces.registry import search_space

SPACE = JointSpace(search_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8", "w2a8"]))
EPOCHS = 10


def accuracies(schedule: str, folder: Path) -> dict[str, float]:
    """Percent of the largest network by the policy of all its layers."""
    folder.mkdir()
    images, net = load_images("digits"), supernet(SPACE.architectures, 0)
    phases = preset(schedule, EPOCHS, 0.1, SPACE)
    train_supernet(net, SPACE, images, phases, TrainingSettings(batch_size=64), 0, folder)
    realizer, largest = CandidateRealizer(net, images), SPACE.architectures.largest()
    layers = len(SPACE.architectures.layers(largest))
    return {
        name: realizer.accuracy(Candidate(largest, CompressionPolicy((LayerPolicy.parse(name),) * layers)))
        for name in ("w32a32", "w8a8", "w2a8")
    }


def test_two_bits_need_no_fine_tuning(tmp_path: Path) -> None:
    plain, trained = accuracies("deps", tmp_path / "plain"), accuracies("multi_precision", tmp_path / "trained")
    assert trained["w2a8"] > plain["w2a8"] + 20
    assert trained["w2a8"] > trained["w32a32"] - 5
    assert trained["w8a8"] > trained["w32a32"] - 1
    assert trained["w32a32"] > plain["w32a32"] - 2
