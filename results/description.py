"""A candidate as one line of text, for pages, consoles and logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from search_spaces.candidate import Block, Candidate, ChannelBlock, ConvBlock, OperatorBlock


def describe(candidate: Candidate) -> str:
    """One line on the architecture and the policies, such as `32 px, blocks 2-3: 3x k3e4, 2x k5e6; 9x w8a8, 2x w4a8`.

    A given network, which has no blocks to choose, is called by its name, with what is left of its groups of channels.
    """
    architecture = candidate.architecture
    widths = [block.width for stage in architecture.stages for block in stage if isinstance(block, ChannelBlock)]
    blocks = "" if widths else _counted(_block(block) for stage in architecture.stages for block in stage)
    policy = _counted(map(str, candidate.policy.layers))
    depths = "-".join(str(len(stage)) for stage in architecture.stages)
    whole = architecture.space + (f", channels {'-'.join(map(str, widths))}" if widths else "")
    shape = f"{architecture.resolution} px, blocks {depths}: {blocks}" if blocks else whole
    return shape + (f"; {policy}" if policy else "")


def _block(block: Block) -> str:
    if isinstance(block, ConvBlock):
        return f"k{block.kernel_size}e{block.expand_ratio:g}"
    return str(block.operator) if isinstance(block, OperatorBlock) else f"{block.group}x{block.width}"


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count}x {name}" for name, count in Counter(names).most_common())
