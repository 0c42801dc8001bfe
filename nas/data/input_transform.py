"""How stored inputs, such as pixels or tokens, become inputs of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from nas.data.splits import Split


class InputTransform(ABC):
    """Turns decoded samples into inputs of a network. Transforms are frozen values, as they are sent to workers."""

    @abstractmethod
    def shape(self, stored: tuple[int, ...], resolution: int) -> tuple[int, ...]:
        """Shape of one input of a network.

        Args:
            stored: Shape of one decoded sample.
            resolution: Height and width of the inputs in pixels, where they are images.
        """

    @abstractmethod
    def inputs(self, images: Tensor, resolution: int) -> Tensor:
        """Inputs of a network, shape (n, *shape).

        Args:
            images: Decoded samples, such as pixels from 0 to 255, shape (n, ...).
            resolution: Height and width of the inputs in pixels, where they are images.
        """

    @abstractmethod
    def describe(self) -> Mapping[str, str]:
        """Notes on what the inputs of a network are, for whoever has only its file; `inputs` says it in words."""

    def batches(self, split: Split, resolution: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and labels of consecutive batches.

        Args:
            split: The samples, in the order of the batches.
            resolution: Height and width of the inputs in pixels, where they are images.
            batch_size: Number of samples of each batch; the last batch may have fewer.

        Yields:
            Inputs, shape (batch, *shape), and labels, shape (batch, ...).
        """
        for start in range(0, len(split), batch_size):
            part = split.take(slice(start, start + batch_size))
            yield self.inputs(part.images.to(part.labels.device), resolution), part.labels
