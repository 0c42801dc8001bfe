"""Batches are the same whoever decodes them, from any step on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import nas
from nas.data.decoding.image_decoder import ImageDecoder
from nas.data.inputs import StoredInputs
from nas.data.layouts.records import ArrayRecords
from nas.data.storage.batch_loader import BatchLoader
from nas.tasks.task import RawLabels

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
STORED = StoredInputs(ArrayRecords(PIXELS, RawLabels([0] * 60, str, "here")), ImageDecoder(8), torch.arange(60))


class Rows:
    def __call__(self, step: int) -> torch.Tensor:
        return torch.arange(6) * 7 % 60 + step % 10


def test_processes_give_the_batches_that_one_would_read() -> None:
    alone, team = BatchLoader(STORED, Rows(), 0), BatchLoader(STORED, Rows(), 2)
    for step in (5, 6, 7, 7, 20, 8, 9):  # as after a resumption, and with a step out of turn
        assert torch.equal(team.load(step), alone.load(step))
        assert torch.equal(alone.load(step), STORED.take(Rows()(step)).read())


def test_what_a_process_cannot_decode_is_one_line() -> None:
    broken = StoredInputs(ArrayRecords(PIXELS[..., :2], STORED.records.labels), ImageDecoder(8), torch.arange(60))
    with pytest.raises(ValueError, match=r"^0 has 2 channels, others have 3; store all of them alike$"):
        BatchLoader(broken, lambda _: torch.arange(3), 1).load(0)


def test_too_little_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match=r"need .* MiB of shared memory, .* set data.loaders to 0"):
        BatchLoader(STORED, Rows(), 2).load(0)


KILLED = """
import multiprocessing, os, signal
from tests_of_loader import STORED, Rows
from nas.data.storage.batch_loader import BatchLoader
if __name__ == "__main__":
    BatchLoader(STORED, Rows(), 1).load(0)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_end_with_one_that_is_killed(tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "tests_of_loader.py")
    (tmp_path / "killed.py").write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(nas.__file__).parents[1]}"}
    command = [sys.executable, str(tmp_path / "killed.py")]
    # its output ends when all who share it have ended
    ended = subprocess.run(command, capture_output=True, timeout=120, env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split()
