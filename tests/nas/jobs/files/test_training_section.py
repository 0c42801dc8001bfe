"""The training section of a job file becomes a schedule, or is refused in one line that says what would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.data.augmentation.geometry import Flip, RandomResizedCrop
from nas.jobs.files.job import load_job
from nas.jobs.files.training_section import TrainingSection
from nas.training.schedules.phase import FewShotSplit, Phase
from nas.training.schedules.registry import SCHEDULES
from nas.training.schedules.schedule import Schedule
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w4a8"]))
PHASE = {"name": "whole", "epochs": 2, "learning_rate": 0.1}


def loaded(folder: Path, training: Any) -> TrainingSection:
    """The training section of a job file with these keys."""
    path = folder / "job.yaml"
    space = {"name": "mobilenet_v3_digits", "policies": ["w32a32", "w4a8"]}
    path.write_text(yaml.safe_dump({"name": "job", "space": space, "training": training}))
    return load_job(path).training


def test_phases_become_a_schedule(tmp_path: Path) -> None:
    bits = {
        **PHASE,
        "name": "bits",
        "open": {"kernel": "all", "depth": "largest 2", "policy": ["w4a8"]},
        "subnets": ["largest", "random"],
        "loss": "in_place",
        "decay": "constant",
        "delay": 0.5,
        "split": {"dimensions": ["kernel"], "batches": 2},
    }
    found = loaded(tmp_path, {"phases": [PHASE, bits], "batch_size": 10, "flip": True})
    assert found.resolve(SPACE) == Schedule(
        (
            Phase("whole", 2.0, 0.1),
            Phase(
                "bits",
                2.0,
                0.1,
                {"kernel": "all", "depth": "largest 2", "policy": ["w4a8"]},
                ("largest", "random"),
                "in_place",
                decay="constant",
                delay=0.5,
                split=FewShotSplit(("kernel",), batches=2),
            ),
        )
    )
    assert (found.settings().batch_size, found.settings().flip) == (10, True)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_preset_serves_the_space(name: str, tmp_path: Path) -> None:
    schedule = loaded(tmp_path, {"schedule": name, "epochs": 10, "learning_rate": 0.2}).resolve(SPACE)
    assert sum(phase.epochs for phase in schedule.phases) == pytest.approx(10)
    assert max(phase.learning_rate for phase in schedule.phases) == 0.2


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"phases": [PHASE], "schedule": "ofa"}, ["phases stand for schedule", "leave out"]),
        ({"phases": [PHASE], "epochs": 3}, ["phases stand for epochs", "leave out"]),
        ({"schedule": "fast"}, ["training.schedule", "'fast'", "known schedules: ofa, sandwich"]),
        ({"phases": [{**PHASE, "epoch": 1}]}, ["unknown key 'training.phases.0.epoch'", "known keys: name, epochs"]),
        (
            {"phases": [PHASE, {**PHASE, "split": {"dimensions": ["kernel"], "group": 2}}]},
            ["unknown key 'training.phases.1.split.group'", "known keys: dimensions, groups, batches"],
        ),
        ({"phases": [{**PHASE, "open": {"kernel": 5}}]}, ["phases.0.open", "of kernel", "'largest N'", "got 5"]),
        ({"phases": [{**PHASE, "subnets": ["bigest"]}]}, ["phases.0.subnets.0", "'largest', 'smallest'", "'bigest'"]),
        (
            {"phases": [{**PHASE, "subnets": ["random"], "delay": 0.5}]},
            ["phase 'whole'", "begin with largest", "alone at first"],
        ),
        ({"phases": [PHASE, PHASE]}, ["distinct names", "['whole', 'whole']"]),
        ({"phases": [{"name": "whole"}]}, ["training.phases.0.epochs is missing"]),
        ({"phases": []}, ["training.phases", "at least 1 item", "got []"]),
        ({"phases": ["whole"]}, ["training.phases.0: must hold keys and their values, got 'whole'"]),
        ({"phases": [{**PHASE, "open": {"kernel": [3, 3]}}]}, ["of kernel must be listed once each, got [3, 3]"]),
        ({"phases": [{**PHASE, "loss": "teacher"}]}, ["phase 'whole'", "random weights", "take loss labels"]),
        (
            {"phases": [{**PHASE, "split": {"dimensions": ["kernel"]}}]},
            ["phase 'whole'", "random weights", "split in a later phase"],
        ),
        ({"epochs": float("inf")}, ["training.epochs", "finite", "inf"]),
        ({"epochs": 2e6}, ["training.epochs", "less than or equal to 1000000", "2000000"]),
        ({"phases": [{**PHASE, "epochs": 1e7}]}, ["training.phases.0.epochs", "less than or equal to 1000000"]),
        ({"phases": [{**PHASE, "warm_up_epochs": float("nan")}]}, ["phases.0.warm_up_epochs", "finite", "nan"]),
        ({"weight_decay": float("inf")}, ["training.weight_decay", "finite", "inf"]),
        ({"learning_rate": 0}, ["training.learning_rate", "greater than 0"]),
    ],
)
def test_a_wrong_section_is_refused_in_one_line(training: Any, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"job\.yaml: ") as refused:
        loaded(tmp_path, training)
    message = str(refused.value)
    assert "\n" not in message
    assert "union" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        ({"width": "all"}, ["'width'", "it has resolution, depth, kernel, expand, policy"]),
        ({"kernel": [7]}, ["kernel", "[3, 5]", "got [7]"]),
        ({"0.depth": "largest 3"}, ["0.depth", "2 values [1, 2]", "'largest 3'"]),
        ({"policy": ["w8a8"]}, ["policy", "['w32a32', 'w4a8']", "['w8a8']"]),
        ({"kernel": "most"}, ["of 0.0.kernel is 'all', 'largest N' or a list of values", "'most'"]),
    ],
)
def test_a_phase_that_opens_what_the_space_lacks_is_named(opened: Any, words: list[str], tmp_path: Path) -> None:
    section = loaded(tmp_path, {"phases": [PHASE, {**PHASE, "name": "wrong", "open": opened}]})
    with pytest.raises(ValueError, match=r"^phase 'wrong': ") as refused:
        section.resolve(SPACE)
    assert all(word in str(refused.value) for word in words), refused.value


def test_augmentation_is_a_preset_or_a_list(tmp_path: Path) -> None:
    assert loaded(tmp_path, {}).settings().augmentation is None
    assert loaded(tmp_path, {"augmentation": "none"}).settings().augmentation == ()
    found = loaded(tmp_path, {"augmentation": ["flip", {"crop": {"smallest": 0.5}}]})
    assert found.settings().augmentation == (Flip(), RandomResizedCrop(0.5))
    assert found.list_augmentations() == ["flip", "crop"]
    assert found.described()["augmentation"][0] == ["flip", {"share": 0.5}]
    assert "augmentation" not in loaded(tmp_path, {}).described()


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"augmentation": ["flip"], "flip": True}, "training: flip belongs to the default augmentation; leave it out"),
        ({"augmentation": [{"flip": {"share": 2}}]}, "training.augmentation: augmentation 'flip': share must be above"),
        ({"augmentation": 5}, "training.augmentation: must be the name of a preset or a list of augmentations, got 5"),
        ({"augmentation": {"a": 1}}, "training.augmentation: must be the name of a preset or a list of augmentations"),
    ],
)
def test_what_is_wrong_with_an_augmentation_is_said(tmp_path: Path, training: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        loaded(tmp_path, training)
    assert "\n" not in str(caught.value)
