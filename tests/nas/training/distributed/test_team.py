"""One process keeps what it has; two average, split alike and draw bits alike, so they end with the same weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from nas.training.distributed.team import SingleProcess

_PATIENCE_S = 600  # they take seconds on an idle machine; only a deadlock takes this long
MEMBERS = """
import hashlib
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from nas.data.sources import load_images
from nas.training.plan import TrainingExecution, TrainingPlan
from nas.training.schedules.phase import Phase, FewShotSplit
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from nas.training.distributed.team import TorchProcesses
from nas.training.trainer import train_supernet
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

torch.set_num_threads(1)
folder, other = Path(sys.argv[1]), os.fork()  # both have imported everything, and run no threads yet
rank = int(other != 0)
dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
team = TorchProcesses()
assert (team.rank, team.size) == (rank, 2)
loss, weight = torch.tensor([1.0 + 2 * rank]), torch.arange(16.0).view(2, 2, 2, 2) * (1 + rank)
weight = weight.contiguous(memory_format=torch.channels_last)
team.average([loss, weight])
assert loss.tolist() == [2.0]
assert torch.equal(weight, torch.arange(16.0).view(2, 2, 2, 2) * 1.5)
assert weight.is_contiguous(memory_format=torch.channels_last)
space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))
opened = {"resolution": "all", "width": "all", "ratio": "all", "policy": "all"}
split = FewShotSplit(("width", "policy"), 2, 1)
leaves = Phase("leaves", 2, 0.05, opened, ("random",), bit_sampling="hessian", split=split)
schedule = Schedule((Phase("whole", 1, 0.1, {"width": "all"}, ("random",)), leaves))
net, images = build_supernet(space.architectures, 0), load_images("digits", limit=150)
notes = []
on_step = lambda report: notes.extend(report.notes)
plan, execution = TrainingPlan(space, schedule, TrainingSettings(30)), TrainingExecution(team)
train_supernet(net, images, plan, folder, on_step, execution)
state = b"".join(parameter.detach().numpy().tobytes() for parameter in net.parameters())
print(len(net.leaves), notes, hashlib.sha256(state).hexdigest(), flush=True)
dist.destroy_process_group()
if other:
    assert os.waitpid(other, 0)[1] == 0
"""


def test_one_process_keeps_what_it_has() -> None:
    tensor = torch.tensor([1.0, 2.0])
    SingleProcess().average([tensor])
    assert tensor.tolist() == [1.0, 2.0]


def test_two_processes_average_split_and_draw_alike(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEMBERS, str(tmp_path)]
    members = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    assert members.returncode == 0, members.stderr
    first, second = members.stdout.splitlines()
    assert first.startswith("2 ['split leaf 0 by ")
    assert first == second
