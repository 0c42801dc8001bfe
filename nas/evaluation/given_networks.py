"""The networks that a given network is with fewer channels, each ready to be compressed and repaired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache

from nas.compression.pruning.pruner import Pruner
from nas.compression.repair.recipe import LIGHT
from nas.compression.repair.repair_network import Repairer
from nas.compression.subject import CompressionSubject
from search_spaces.candidate import Architecture
from search_spaces.families.given import GivenSpace

_REMEMBERED = 4  # architectures; searchers often ask for the same one under other policies next


class GivenNetworks:
    """Makes what architectures of a given network are, from one run of the network as it was given.

    A network with fewer channels is fitted to the given one (`Pruner`), by the recipe of the methods or `LIGHT`, on the
    samples of the subject. With all channels it is the given one itself.

    Args:
        make_subject: The given network with what repairs it; called when that is needed.
        space: Its space, which knows the channels that an architecture keeps; None if there is one architecture.
    """

    def __init__(self, make_subject: Callable[[], CompressionSubject], space: GivenSpace | None) -> None:
        self._make_subject, self._space = make_subject, space
        self.subject = lru_cache(_REMEMBERED)(self._narrow)
        self.repairer = lru_cache(_REMEMBERED)(self._make_repairer)

    def is_whole(self, architecture: Architecture) -> bool:
        """Whether an architecture keeps all channels."""
        return self._space is None or self._space.keep(architecture) is None

    def _narrow(self, architecture: Architecture) -> CompressionSubject:
        """The subject of an architecture."""
        if self._space is None or (kept := self._space.keep(architecture)) is None:
            return self._whole
        return replace(self._whole, traced=self._pruner.prune(kept))

    def _make_repairer(self, architecture: Architecture) -> Repairer:
        return Repairer(self.subject(architecture), self._whole.methods.repair or LIGHT)

    @cached_property
    def _whole(self) -> CompressionSubject:
        return self._make_subject()

    @cached_property
    def _pruner(self) -> Pruner:
        assert self._space is not None
        assert self._space.widths is not None
        return Pruner(self._whole, self._space.widths.channels, self._whole.methods.repair or LIGHT)
