"""The widths that groups of channels may have, and the channels that each leaves.

Independent of torch: an allocation of widths is one of `nas.compression.allocation`, whose layers are the groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.channels.rule import KeptElements


@dataclass(frozen=True, eq=False)
class Widths:
    """For each group of channels, the numbers of channels that may be kept, and which ones that are.

    Attributes:
        channels: The channels of a network.
        choices: For each group its widths, falling from all of its channels, each once.
        ranks: The place of each channel among those of its group, the most important first, shape (channels,): a width
            keeps the first ones.

    Raises:
        ValueError: If a group has no widths, or they do not fall from all of its channels to one or more.
    """

    channels: CoupledChannels
    choices: tuple[tuple[int, ...], ...]
    ranks: FloatArray

    def __post_init__(self) -> None:
        for group, widths in zip(self.channels.groups, self.choices, strict=True):
            falling = all(one > other for one, other in pairwise(widths))
            if not widths or widths[0] != group.size or not falling or not widths[-1] >= 1:
                raise ValueError(
                    f"the widths of group {group.name!r} must fall from {group.size}, all of its channels, to one or "
                    f"more, got {widths}"
                )

    @classmethod
    def evenly(cls, channels: CoupledChannels, importance: FloatArray, count: int = 8, multiple: int = 1) -> Widths:
        """Widths in equal parts of each group, such as eighths, each rounded up to whole channels.

        Args:
            channels: The channels of a network.
            importance: The importance of each channel, shape (channels,); the least important are removed first.
            count: Number of widths of a group; smaller groups have as many as they have channels.
            multiple: Widths are rounded up to multiples of this, but for that of all channels. Kernels compute channels
                in blocks, such as 8 in onnxruntime on CPUs: a convolution of 11 channels takes longer than one of 16.

        Raises:
            ValueError: If there is no width, the multiple is below 1, or the importances are not one number for each
                channel.
        """
        if importance.shape != (channels.count,) or np.isnan(importance).any():
            raise ValueError(f"each of {channels.count} channels needs an importance, got shape {importance.shape}")
        ranks = np.zeros(channels.count)
        choices = []
        for group in channels.groups:
            order = np.argsort(-importance[group.channels], kind="stable")
            ranks[group.channels][order] = np.arange(group.size)
            choices.append(group.list_even_widths(count, multiple))
        return cls(channels, tuple(choices), ranks)

    def keep(self, widths: Sequence[int]) -> KeptElements:
        """The channels that widths leave, shape (channels,).

        Args:
            widths: The number of channels of each group, of its choices or any other from 1.
        """
        kept = np.zeros(self.channels.count, bool)
        for group, width in zip(self.channels.groups, widths, strict=True):
            kept[group.channels] = self.ranks[group.channels] < width
        return kept

    def keep_chosen(self, chosen: Sequence[int]) -> KeptElements:
        """The channels that an allocation leaves, shape (channels,).

        Args:
            chosen: For each group the index of its width among its choices.
        """
        return self.keep([widths[choice] for widths, choice in zip(self.choices, chosen, strict=True)])
