"""The order of the channels of a given network whose widths are searched: the most important first."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.data_free.distilled_source import DistilledSource
from nas.compression.data_free.input_file import load_inputs
from nas.compression.pruning.narrow_network import sort_channels
from nas.compression.pruning.registry import IMPORTANCES
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from nas.data.splits import DataSplits
from nas.evaluation.realize import REPAIR_SAMPLES, CandidateRealizer, one_thread
from nas.jobs.console.reporter import Reporter
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy


@dataclass(frozen=True)
class ChannelRanking:
    """By what the channels of a given network are ranked.

    Attributes:
        importance: Name of the importance.
        distilled: The images that were distilled from the network and take the place of training samples; None takes
            training samples.
    """

    importance: str
    distilled: DistilledSource | None = None

    @property
    def inputs(self) -> dict[str, str]:
        """What the order depends on besides the network and its samples."""
        found = {"importance": self.importance}
        # absent without, as in runs of before
        return found if self.distilled is None else found | {"distilled": self.distilled.calibration.parent.name}

    def sort(self, network: TracedNetwork, data: DataSplits, reporter: Reporter) -> tuple[TracedNetwork, str]:
        """The same network with the most important channels of each group first, and a line that says so.

        Args:
            network: The network; it is not changed.
            data: Its samples.
            reporter: Shows that it takes a while.

        Raises:
            ValueError: If the network is not one for the importance, or this needs what the samples have not.
        """
        distilled = None if self.distilled is None else load_inputs(self.distilled.calibration)
        samples = CandidateRealizer(network, data, distilled=distilled).calibration_data(REPAIR_SAMPLES)
        subject = CompressionSubject.uniform_choices(network, [LayerPolicy()], samples, task=data.task)
        channels = CoupledChannels.from_graph(network.graph)
        with one_thread(), reporter.bar("rank channels", None):
            found = sort_channels(network, channels, IMPORTANCES[self.importance]().score(subject, channels))
        groups = f"{channels.count} channels in {len(channels.groups)} groups"
        kind = "training samples" if distilled is None else "distilled inputs"
        return found, f"{groups}, the most important first by {self.importance} on {len(samples)} {kind}"
