"""Tokens go into a network as they are: indices of rows of its embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nas.data.input_transform import InputTransform


@dataclass(frozen=True)
class Tokens(InputTransform):
    """The tokens of texts.

    Attributes:
        vocabulary: Number of different tokens; each is an index below it.
        length: Number of tokens of every text.
        pad: The token by which shorter texts are filled up.
    """

    vocabulary: int
    length: int
    pad: int

    def shape(self, stored: tuple[int, ...], resolution: int) -> tuple[int, ...]:  # noqa: ARG002 of images
        """The length."""
        return stored

    def inputs(self, images: Tensor, resolution: int) -> Tensor:  # noqa: ARG002 of images
        """The tokens themselves, int64, shape (n, length)."""
        return images

    def describe(self) -> Mapping[str, str]:
        """What the inputs are, and the token that fills up."""
        words = (
            f"int64, shape (batch, {self.length}): tokens below {self.vocabulary}, cut or filled up by the token pad"
        )
        return {"inputs": words, "pad": str(self.pad), "vocabulary": str(self.vocabulary)}
