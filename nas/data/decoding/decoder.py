"""The base class of decoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Stored = Any  # bytes of an encoded image, an image of Pillow, a text, or an array (height, width and channels)


class Decoder(ABC):
    """Turns a stored sample into an array whose shape is the same for all samples.

    Decoders are frozen values, as they are sent to workers; their `repr` tells all that their output depends on.

    Attributes:
        dtype: Type of the decoded values.
    """

    dtype: torch.dtype

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one input of a network before it is resized, such as (channels, height, width)."""

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Shape of a decoded sample before `arrange`."""
        return self.shape

    @property
    def array_dtype(self) -> np.dtype[np.generic]:
        """Type of the values as NumPy names it."""
        return torch.empty(0, dtype=self.dtype).numpy().dtype

    @abstractmethod
    def decode(self, stored: Stored, where: object) -> NDArray[np.generic]:
        """Decodes one sample.

        Args:
            stored: The sample as it is stored.
            where: Its place, which is made a text only for messages.

        Returns:
            An array that `arrange` understands, of the same shape for all samples.

        Raises:
            ValueError: If the sample cannot be decoded rightly; the message names its place.
        """

    def arrange(self, stacked: Tensor) -> Tensor:
        """Decoded samples, stacked along a first axis, as inputs of shape (n, *shape)."""
        return stacked
