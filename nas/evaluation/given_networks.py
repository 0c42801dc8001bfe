"""The networks that a given network is with fewer channels or blocks, each ready to be compressed and repaired."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

from nas.compression.pruning.pruner import Pruner
from nas.compression.repair.recipe import LIGHT
from nas.compression.repair.repair_network import Repairer
from nas.compression.subject import CompressionSubject
from search_spaces.candidate import Architecture
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.given import GivenSpace

_REMEMBERED = 4  # architectures; searchers often ask for the same one under other policies next


class GivenNetworks:
    """Makes what architectures of a given network are, from one run of the network as it was given.

    A network with fewer channels or blocks is fitted to the given one (`Pruner`), by the recipe of the methods or
    `LIGHT`, on the samples of the subject. With all of them it is the given one itself.

    Args:
        make_subject: The given network with what repairs it; called when that is needed.
        space: Its space, which knows what an architecture keeps; None if there is one architecture.
    """

    def __init__(self, make_subject: Callable[[], CompressionSubject], space: GivenSpace | None) -> None:
        self._make_subject, self._space = make_subject, space
        self.subject = lru_cache(_REMEMBERED)(self._narrow)
        self.repairer = lru_cache(_REMEMBERED)(self._make_repairer)

    def is_whole(self, architecture: Architecture) -> bool:
        """Whether an architecture keeps all channels and blocks."""
        space = self._space
        return space is None or (space.keep(architecture) is None and not space.find_removed(architecture))

    def _narrow(self, architecture: Architecture) -> CompressionSubject:
        """The subject of an architecture."""
        if self._space is None or self.is_whole(architecture):
            return self._whole
        kept, removed = self._space.keep(architecture), self._space.find_removed(architecture)
        traced = self._pruner.prune(self._channels.keep_all() if kept is None else kept, removed=removed)
        return CompressionSubject.uniform_choices(
            traced, [LayerPolicy()], self._whole.data, self._whole.methods, self._whole.task
        )

    def _make_repairer(self, architecture: Architecture) -> Repairer:
        return Repairer(self.subject(architecture), self._whole.methods.repair or LIGHT)

    @cached_property
    def _whole(self) -> CompressionSubject:
        return self._make_subject()

    @cached_property
    def _channels(self) -> CoupledChannels:
        assert self._space is not None
        widths = self._space.widths
        return CoupledChannels.from_graph(self._space.graph) if widths is None else widths.channels

    @cached_property
    def _pruner(self) -> Pruner:
        return Pruner(self._whole, self._channels, self._whole.methods.repair or LIGHT)
