"""A plan is known by everything that decides its outcome, and by nothing that is at its default."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from nas.data.augmentation.geometry import Flip, Shift
from nas.data.augmentation.mixing import CutMix, Mixup
from nas.training.plan import TrainingExecution, TrainingPlan
from nas.training.schedules.phase import FewShotSplit, Phase
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
AUGMENTED = [(), (Shift(),), (Flip(),), (Mixup(),), (CutMix(),), (Mixup(0.3),), (Shift(), Flip()), (Flip(), Shift())]
PHASE = Phase("p", 1, 0.1, {"depth": "all"})
PLAN = TrainingPlan(SPACE, Schedule((PHASE,)))


def test_the_identity_is_the_same_in_every_version() -> None:
    assert PLAN.identity == (  # as unfinished trainings are stored
        '{"policies": {"policies": ["w32a32", "w8a8"], "rules": []}, "schedule": {"phases": [{"epochs": 1, '
        '"learning_rate": 0.1, "name": "p", "open": {"depth": "all"}}]}, "seed": 0, "settings": {}}'
    )


def test_whatever_decides_the_outcome_changes_the_identity() -> None:
    split = FewShotSplit(("depth",))
    others = [
        replace(PLAN, seed=1),
        replace(PLAN, settings=TrainingSettings(flip=True)),
        *(replace(PLAN, settings=TrainingSettings(augmentation=one)) for one in AUGMENTED),
        replace(PLAN, only=SPACE.largest()),
        replace(PLAN, only=SPACE.smallest()),
        replace(PLAN, schedule=Schedule((replace(PHASE, split=split),))),
        replace(PLAN, schedule=Schedule((replace(PHASE, split=replace(split, batches=3)),))),
        replace(PLAN, schedule=Schedule((replace(PHASE, open={"depth": [1]}),))),
        replace(PLAN, space=JointSpace(SPACE.architectures, PolicySpace.parse(["w32a32", "w4a8"]))),
    ]
    assert len({plan.identity for plan in (PLAN, *others)}) == 1 + len(others)
    again = TrainingPlan(SPACE, Schedule((Phase("p", 1, 0.1, {"depth": "all"}, subnets=("largest",)),)))
    assert again.identity == PLAN.identity


def test_one_candidate_closes_all_others() -> None:
    candidate = SPACE.sample(np.random.default_rng(0), 1)[0]
    (subspace,) = replace(PLAN, only=candidate).open_subspaces()
    assert (subspace.largest(), subspace.smallest()) == (candidate, candidate)
    assert {len(values) for values in subspace.open} == {1}


def test_a_device_that_is_given_is_taken() -> None:
    assert TrainingExecution(device=torch.device("meta")).choose_device() == torch.device("meta")
    assert TrainingExecution().choose_device().type in ("cpu", "cuda")
