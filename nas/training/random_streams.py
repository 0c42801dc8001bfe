"""The streams of random numbers of a training: every random choice is named by a seed, what it is for, and an index.

No two choices share a stream, so a training that goes on at any step draws what it would have drawn.
"""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np
import torch


class Stream(IntEnum):
    """What numbers are drawn for; a new purpose is added at the end, or trainings of before would go on otherwise."""

    ORDER = auto()
    AUGMENTATION = auto()
    SUBNETS = auto()
    DROPOUT = auto()
    SPLIT = auto()
    BITS = auto()
    VALIDATION = auto()


def numpy_generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """A generator of NumPy for one random choice.

    Args:
        seed: Of the training.
        stream: What is drawn.
        index: When and where, such as a step and the rank of a process.
    """
    return np.random.default_rng([seed, stream, *index])


def torch_generator(seed: int, stream: Stream, *index: int) -> torch.Generator:
    """A generator of torch, on the CPU, for one random choice.

    Args:
        seed: Of the training.
        stream: What is drawn.
        index: When and where, such as a step and the rank of a process.
    """
    return torch.Generator().manual_seed(int(numpy_generator(seed, stream, *index).integers(2**63)))
