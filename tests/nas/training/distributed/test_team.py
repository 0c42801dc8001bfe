"""A team of one process; `test_two_processes.py` has one of two."""

from __future__ import annotations

import torch

from nas.training.distributed.team import Alone


def test_one_process_keeps_what_it_has() -> None:
    tensor = torch.tensor([1.0, 2.0])
    Alone().average([tensor])
    assert tensor.tolist() == [1.0, 2.0]
