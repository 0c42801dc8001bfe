"""Distilled images as the data set of a job that has no other one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nas.compression.data_free.input_file import load_inputs
from nas.data.network_inputs import NetworkInputs
from nas.data.splits import DataSplits, Split
from nas.tasks.task import Task

_VALIDATION_SHARE = 2 / 3  # of the images that are held out; the others test what is exported


@dataclass(frozen=True)
class DistilledSource:
    """Images without labels that were distilled from a network, as a value that can be sent to other processes.

    Attributes:
        calibration: The file of the images that calibrate and repair, which take the place of training samples.
        held_out: The file of others, on which networks are compared: the first for validation, the rest for testing.
        task: What the outputs of the network mean.
    """

    calibration: Path
    held_out: Path
    task: Task

    def load(self) -> DataSplits:
        """The images in splits.

        Raises:
            ValueError: If a file is damaged.
            OSError: If one is missing or cannot be read.
        """
        held_out = load_inputs(self.held_out)
        count = round(len(held_out) * _VALIDATION_SHARE)
        train, validation, test = map(_split, (load_inputs(self.calibration), held_out[:count], held_out[count:]))
        return DataSplits(train, validation, test, (), self.task, NetworkInputs())


def _split(inputs: Tensor) -> Split:
    return Split.of(inputs, torch.zeros(len(inputs), 0))
