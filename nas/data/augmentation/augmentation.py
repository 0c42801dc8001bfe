"""The base class of augmentations: random changes of training images, and of labels where images are mixed.

Augmentations are values that settings hold, so no torch is loaded here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from search_spaces.quoting import quote

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from nas.tasks.task import Mixture, Task

_COLOR_CHANNELS = (1, 3)


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """Images with their labels.

    Attributes:
        pixels: Values from 0 to 255, uint8, shape (batch, channels, height, width).
        labels: Labels as the task encodes them, shape (batch, ...).
        mixture: The labels of the samples that were mixed in; None if nothing was.
    """

    pixels: Tensor
    labels: Tensor
    mixture: Mixture | None = None


@dataclass(frozen=True)
class Augmentation(ABC):
    """A random change of training images.

    Augmentations are frozen dataclasses whose fields are the options that jobs may set, with defaults; a value that is
    not allowed raises ValueError when they are created. Tests hold all of them to this contract: what comes out is a
    function of the batch, the side and the state of the generator alone; pixels are uint8 of the same channels; what
    comes in is not written to.

    Attributes:
        name: The name by which jobs ask for it.
        changes_colors: Whether it is for grey and for RGB images only.
        mixes: Whether it mixes samples in pairs, and with them their labels.
    """

    name: ClassVar[str]
    changes_colors: ClassVar[bool] = False
    mixes: ClassVar[bool] = False

    @abstractmethod
    def apply(self, batch: ImageBatch, side: int, generator: Generator) -> ImageBatch:
        """The changed images.

        Args:
            batch: The images, on any device.
            side: Height and width of the inputs of this step, in pixels. Whoever resizes images gives them this size;
                images of another size are resized afterwards.
            generator: Draws all that is random; on the CPU, so that it is the same for all devices.
        """

    def check(self, channels: int, task: Task) -> None:  # noqa: ARG002
        """Checks that it suits the images and what is learnt of them.

        Args:
            channels: Number of channels of an image.
            task: What the labels mean.

        Raises:
            ValueError: If it does not.
        """
        if self.changes_colors and channels not in _COLOR_CHANNELS:
            raise ValueError(
                f"augmentation {self.name} is for images of 1 or 3 channels, grey or RGB, got {channels}; leave it out"
            )


def check_sequence(augmentations: Sequence[Augmentation]) -> None:
    """Checks augmentations that are applied one after the other.

    Raises:
        ValueError: If one is there twice, or one that mixes comes before another that does not: the share that a label
            has would no longer be that of its image.
    """
    names = [one.name for one in augmentations]
    for number, one in enumerate(augmentations):
        if one.name in names[:number]:
            raise ValueError(f"every augmentation must be listed once, got {one.name} twice; leave one out")
        if not one.mixes and any(earlier.mixes for earlier in augmentations[:number]):
            raise ValueError(
                f"augmentations that mix images must come last, for labels have the shares of whole images; got "
                f"{', '.join(names)}; put {one.name} before them"
            )


def check_range(option: str, value: float, least: float, most: float) -> None:
    """Refuses an option outside of its range, and NaN.

    Args:
        option: The option, for the message.
        value: Its value.
        least: The least that it can be.
        most: The most that it can be.

    Raises:
        ValueError: If it lies outside.
    """
    if not least <= value <= most:
        raise ValueError(f"{option} must lie in [{least:g}, {most:g}], got {quote(value)}")


def check_share(option: str, value: float) -> None:
    """Refuses an option that must be a share of something; 0 would do nothing.

    Args:
        option: The option, for the message.
        value: Its value.

    Raises:
        ValueError: If it is not above 0 and at most 1.
    """
    if not 0 < value <= 1:
        raise ValueError(f"{option} must be above 0 and at most 1, got {quote(value)}")
