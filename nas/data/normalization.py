"""Normalisation: pixels become network inputs of mean 0 and standard deviation 1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.data.input_transform import InputTransform
from nas.data.inputs import Inputs, TensorInputs

_MOST_COUNTED = 10_000  # images of a set that is not in memory: their mean is within a hundredth of the spread
_INPUTS = (
    "float32, shape (batch, channels, height, width): pixels from 0 to 1, less the mean of their channel, divided by "
    "its standard deviation (std)"
)
_CHUNK = 500  # images that are decoded at a time


@dataclass(frozen=True)
class Normalization(InputTransform):
    """The mean and the standard deviation by which pixels become network inputs.

    Attributes:
        mean: Mean of each channel, for pixels from 0 to 1.
        std: Standard deviation of each channel, for pixels from 0 to 1.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def constant(self) -> tuple[bool, ...]:
        """Whether each channel never changes, where the normalisation was computed: no other one has a spread of 1."""
        return tuple(spread == 1.0 for spread in self.std)

    def shape(self, stored: tuple[int, ...], resolution: int) -> tuple[int, ...]:
        """Channels, and the resolution twice."""
        return (stored[0], resolution, resolution)

    def inputs(self, images: Tensor, resolution: int) -> Tensor:
        """Inputs of a network, float32 and channels last, shape (n, channels, resolution, resolution).

        Args:
            images: Pixels from 0 to 255, uint8 or float, shape (n, channels, height, width).
            resolution: Height and width of the inputs, in pixels.
        """
        mean, std = (torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        pixels = (images.float() / 255 - mean) / std
        if pixels.shape[-2:] != (resolution, resolution):
            size = (resolution, resolution)
            pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        return pixels.contiguous(memory_format=torch.channels_last)

    def describe(self) -> Mapping[str, str]:
        """What the inputs are, and `mean` and `std` as lists of JSON with a number per channel."""
        return {"inputs": _INPUTS, "mean": json.dumps(self.mean), "std": json.dumps(self.std)}


def compute_normalization(inputs: Inputs) -> Normalization:
    """The mean and standard deviation of each channel, exactly, from counts of the 256 values.

    Memory is bounded, as only a few images are decoded at a time. Of a set that is not in memory 10,000 images are
    counted, evenly spread over its files. A channel that never changes has no spread: its standard deviation is given
    as 1, so that its inputs are 0.

    Args:
        inputs: Images, uint8, shape (n, channels, height, width).
    """
    counted = inputs if isinstance(inputs, TensorInputs) else inputs.spread(_MOST_COUNTED)
    counts = torch.zeros(inputs.shape[0], 256, dtype=torch.float64)
    for start in range(0, len(counted), _CHUNK):
        pixels = counted.take(slice(start, start + _CHUNK)).read().cpu()
        for channel in range(inputs.shape[0]):
            counts[channel] += torch.bincount(pixels[:, channel].reshape(-1), minlength=256)
    values, total = torch.arange(256, dtype=torch.float64) / 255, counts.sum(1)
    mean = (counts * values).sum(1) / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / (total - 1).clamp(min=1)
    constant = (counts > 0).sum(1) < 2
    return Normalization(tuple(mean.tolist()), tuple(torch.where(constant, 1.0, variance.sqrt()).tolist()))
