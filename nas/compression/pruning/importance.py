"""The contract of importances of channels."""

from __future__ import annotations

from abc import ABC, abstractmethod

from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import CoupledChannels


class Importance(ABC):
    """Estimates what a network loses with each of its channels.

    The contract, which tests check for all registered importances: Scores are finite and not negative. A channel that
    nothing reads scores least, and 0 where data decide. They are the same each time, and the network is not changed.
    Channels of one group can be compared, and of several groups where the importance says so. Importances are frozen
    dataclasses; one that draws random numbers has a seed.
    """

    @abstractmethod
    def score(self, subject: CompressionSubject, channels: CoupledChannels) -> FloatArray:
        """The importance of each channel, summed over all layers that have it, shape (channels,).

        Args:
            subject: The network, with what else the importance needs.
            channels: Its channels, as `CoupledChannels.from_graph` finds them.

        Raises:
            ValueError: If the importance needs data that the subject has not.
        """
