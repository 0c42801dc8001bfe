"""Training on a GPU, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.training.checkpoint import load_checkpoint
from nas.training.presets import preset


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_training_learns_goes_on_and_comes_back_to_the_processor(lab: Callable[..., Any], tmp_path: Path) -> None:
    trained = lab("resnet_digits", ("w32a32", "w4a8"))
    schedule = preset("multi_precision", 6, 0.05, trained.space)
    trained.train(tmp_path, schedule, kill_at=9, checkpoint_s=0)
    reports = trained.train(tmp_path, schedule)
    assert reports[0].step == 9
    assert reports[-1].loss < 2.0
    net = trained.supernet()
    load_checkpoint(tmp_path / "supernet.safetensors", net)
    assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}
