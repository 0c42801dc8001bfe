"""The streams of random numbers of a training. A stream is named by a seed, a purpose and an index such as the step.

No generator is carried from step to step, so a resumed training draws the numbers that an uninterrupted one would draw.
"""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np
import torch


class Stream(IntEnum):
    """The purpose of random numbers. A new one goes to the end: the number of a purpose is a part of its seed."""

    ORDER = auto()
    AUGMENTATION = auto()
    SUBNETS = auto()
    DROPOUT = auto()
    SPLIT = auto()
    BITS = auto()
    VALIDATION = auto()
    RANKS = auto()


def numpy_generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """A generator of NumPy for one random choice.

    Args:
        seed: Seed of the training.
        stream: Purpose of the numbers.
        index: Integers that tell streams of one purpose apart, such as a step and the rank of a process.
    """
    return np.random.default_rng([seed, stream, *index])


def torch_generator(seed: int, stream: Stream, *index: int) -> torch.Generator:
    """A generator of torch, on the CPU, for one random choice.

    Args:
        seed: Seed of the training.
        stream: Purpose of the numbers.
        index: Integers that tell streams of one purpose apart, such as a step and the rank of a process.
    """
    return torch.Generator().manual_seed(int(numpy_generator(seed, stream, *index).integers(2**63)))
