"""The streams of random numbers of a training, so that no two of its choices share one.

In: a seed and the place of a choice. Out: generators. Knows nothing of what is chosen.
"""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np
import torch


class Stream(IntEnum):
    """What numbers are drawn for."""

    ORDER = auto()
    AUGMENTATION = auto()
    SUBNETS = auto()
    DROPOUT = auto()
    SPLIT = auto()
    BITS = auto()
    PROBE = auto()


def numpy_generator(seed: int, stream: Stream, *place: int) -> np.random.Generator:
    """A generator of a stream at a place, such as a step."""
    return np.random.default_rng([seed, stream, *place])


def torch_generator(seed: int, stream: Stream, *place: int) -> torch.Generator:
    """The same for torch, on the CPU."""
    return torch.Generator().manual_seed(int(numpy_generator(seed, stream, *place).integers(2**63)))
