"""Training on a GPU, where there is one."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.training.schedules.presets import preset
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_training_goes_on_and_comes_back_to_the_processor(lab: Callable[..., Any], tmp_path: Path) -> None:
    trained = lab("resnet_digits", ("w32a32", "w4a8"))
    schedule = preset("multi_precision", 6, 0.05, trained.space)
    trained.train(tmp_path, schedule, kill_at=9, checkpoint_s=0)
    reports = trained.train(tmp_path, schedule)
    assert reports[0].step == 9
    assert all(math.isfinite(report.loss) for report in reports)
    net = trained.supernet()
    settings, other = TrainingSettings(batch_size=50), tmp_path / "other"
    other.mkdir()
    train_supernet(net, trained.space, trained.data, schedule, settings, 6, other)
    assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}
    assert torch.cuda.max_memory_allocated() > 0
