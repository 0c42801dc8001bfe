"""Corruptions of images, to measure how robust a network is; the same for every candidate, whatever draws them.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019, with the strengths of their code for small images where they depend on the size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:  # corruptions are named where no torch is loaded
    import torch
    from torch import Tensor

SEVERITIES = 5
_SEED = 20190506  # any number: corruptions differ between batches, not between candidates


@dataclass(frozen=True)
class Corruption:
    """A corruption and how strong it is.

    Attributes:
        name: Name of the corruption, in `CORRUPTIONS`.
        severity: From 1, weak, to 5, strong.

    Raises:
        ValueError: If there is no such corruption or severity.
    """

    name: str = "gaussian_noise"
    severity: int = 3

    def __post_init__(self) -> None:
        CORRUPTIONS.check_name(self.name)
        if not 1 <= self.severity <= SEVERITIES:
            raise ValueError(f"the severity of a corruption is from 1 to {SEVERITIES}, got {self.severity}")

    def apply(self, images: Tensor, batch: int) -> Tensor:
        """Corrupted images, float32, of the same shape.

        Args:
            images: Pixels from 0 to 255, shape (n, channels, height, width).
            batch: Index of the batch, which decides the noise along with the shape.
        """
        import torch

        generator = torch.Generator().manual_seed(_SEED + batch)
        corrupted = CORRUPTIONS[self.name](images.float().cpu() / 255, self.severity - 1, generator)
        return (corrupted.clamp(0, 1) * 255).to(images.device)


def _add_gaussian_noise(images: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    import torch

    return images + torch.randn(images.shape, generator=generator) * (0.08, 0.12, 0.18, 0.26, 0.38)[severity]


def _add_impulse_noise(images: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Pixels that are black or white whatever the image."""
    import torch

    share = (0.03, 0.06, 0.09, 0.17, 0.27)[severity]
    drawn = torch.rand(images.shape, generator=generator)
    return images.where(drawn >= share, (drawn < share / 2).float())


def _lower_contrast(images: Tensor, severity: int, _: torch.Generator) -> Tensor:
    mean = images.mean((-2, -1), keepdim=True)
    return (images - mean) * (0.75, 0.5, 0.4, 0.3, 0.15)[severity] + mean


def _raise_brightness(images: Tensor, severity: int, _: torch.Generator) -> Tensor:
    return images + (0.1, 0.2, 0.3, 0.4, 0.5)[severity]


def _blur(images: Tensor, severity: int, _: torch.Generator) -> Tensor:
    """A Gaussian blur of so many pixels, with the edges repeated."""
    import torch
    import torch.nn.functional as F

    sigma = (0.4, 0.6, 0.7, 0.8, 1.0)[severity]
    reach = 3
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    weights = weights / weights.sum()
    flat = images.flatten(0, 1)[:, None]
    rows = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), weights.view(1, 1, -1, 1))
    both = F.conv2d(F.pad(rows, (reach, reach, 0, 0), mode="replicate"), weights.view(1, 1, 1, -1))
    return both.view_as(images)


# From images of pixels from 0 to 1, the severity from 0 and a generator to images whose values may lie beyond.
CORRUPTIONS: Registry[Callable[[Tensor, int, torch.Generator], Tensor]] = Registry(
    "corruption",
    {
        "gaussian_noise": _add_gaussian_noise,
        "impulse_noise": _add_impulse_noise,
        "contrast": _lower_contrast,
        "brightness": _raise_brightness,
        "gaussian_blur": _blur,
    },
)
