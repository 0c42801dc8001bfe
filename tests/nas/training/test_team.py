"""Members of a team get the same mean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from nas.training.team import Alone

MEMBER = """
import sys
import torch
import torch.distributed as dist
from nas.training.team import ProcessGroup

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
team = ProcessGroup()
assert (team.rank, team.size) == (rank, 2)
loss, weight = torch.tensor([1.0 + 2 * rank]), torch.arange(16.0).view(2, 2, 2, 2) * (1 + rank)
weight = weight.contiguous(memory_format=torch.channels_last)
team.average([loss, weight])
assert loss.tolist() == [2.0]
assert torch.equal(weight, torch.arange(16.0).view(2, 2, 2, 2) * 1.5)
assert weight.is_contiguous(memory_format=torch.channels_last)
dist.destroy_process_group()
"""


def test_two_processes_average(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEMBER]
    members = [subprocess.Popen([*command, str(rank), str(tmp_path / "meeting")]) for rank in range(2)]
    assert [member.wait(timeout=60) for member in members] == [0, 0]


def test_one_process_keeps_what_it_has() -> None:
    tensor = torch.tensor([1.0, 2.0])
    Alone().average([tensor])
    assert tensor.tolist() == [1.0, 2.0]
