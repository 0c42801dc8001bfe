"""What training schemes are compared on: images, a space, and the number of passes.

In: a folder, for CIFAR-10. Out: `STUDIES` by name. Knows no scheme.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from nas.data.sources import load_images
from nas.data.splits import DataSplits, Split
from search_spaces.candidate import Candidate
from search_spaces.families.mobilenet_v3 import MobileNetV3Space
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

RANDOM_SUBNETS = 20


@dataclass(frozen=True)
class Study:
    """What the schemes are compared on.

    Attributes:
        passes: Forward-backward passes of every training.
        batch_size: Images of a pass.
        learning_rate: Peak.
        seeds: Of the trainings by a scheme; a subnet is trained alone once.
        flip: Whether images are mirrored.
        space: What is trained.
        load: Gives the images, of a folder.
    """

    passes: int
    batch_size: int
    learning_rate: float
    seeds: tuple[int, ...]
    flip: bool
    space: Callable[[], JointSpace]
    load: Callable[[str], DataSplits]

    def subnets(self) -> list[Candidate]:
        """The smallest, the largest and the random ones."""
        space = self.space()
        sampled = space.sample(np.random.default_rng(0), RANDOM_SUBNETS)
        return [space.smallest(), space.largest(), *(sampled[i] for i in range(RANDOM_SUBNETS))]


def cifar10_space() -> JointSpace:
    """MobileNetV3 for CIFAR-10 at sides of 16 to 24 pixels, which two cores train in the time."""
    family = create_space("mobilenet_v3_cifar", 3, 10)
    assert isinstance(family, MobileNetV3Space)
    shape = replace(family.shape, resolutions=(16, 20, 24))
    return JointSpace(MobileNetV3Space("mobilenet_v3_cifar_24", shape, 3, 10))


def digits_space() -> JointSpace:
    """MobileNetV3 for the digits."""
    return JointSpace(create_space("mobilenet_v3_digits", 1, 10))


@lru_cache(maxsize=1)
def cifar10(folder: str) -> DataSplits:
    """10,000 training images and 2,000 held-out ones, the first 12,000 of the training file."""
    whole = load_images(folder, limit=12_000)
    every = joined(whole.train, whole.validation)
    held_out = every.take(slice(10_000, None))
    return DataSplits(every.take(slice(0, 10_000)), held_out, held_out, whole.names)


@lru_cache(maxsize=1)
def digits(_folder: str) -> DataSplits:
    """The digits; all that is not for training is held out."""
    whole = load_images("digits")
    held_out = joined(whole.validation, whole.test)
    return DataSplits(whole.train, held_out, held_out, whole.names)


def joined(first: Split, second: Split) -> Split:
    """Both sets in one."""
    return Split.of(torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels]))


STUDIES = {
    "cifar10": Study(8_000, 32, 0.05, (0, 1, 2), True, cifar10_space, cifar10),
    "digits": Study(2_400, 64, 0.1, (0, 1, 2, 3, 4), False, digits_space, digits),
}
