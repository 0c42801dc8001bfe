"""A candidate as one line of text, for pages, consoles and logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from search_spaces.candidate import Candidate, ChannelBlock, ConvBlock, KeptBlock, OperatorBlock


def describe(candidate: Candidate) -> str:
    """One line on the architecture and the policies, such as `32 px, blocks 2-3: 3x k3e4, 2x k5e6; 9x w8a8, 2x w4a8`.

    A given network is called by its name, with what is left of its groups of channels and of its blocks.
    """
    architecture = candidate.architecture
    stages = [block for stage in architecture.stages for block in stage]
    widths = [str(block.width) for block in stages if isinstance(block, ChannelBlock)]
    kept = [block.name for block in stages if isinstance(block, KeptBlock)]
    blocks = _counted(_block(block) for block in stages if isinstance(block, ConvBlock | OperatorBlock))
    policy = _counted(map(str, candidate.policy.layers))
    depths = "-".join(str(len(stage)) for stage in architecture.stages)
    left = [f", channels {'-'.join(widths)}"] if widths else []
    left += [f", with {' '.join(kept)}"] if kept else []
    left += [", without blocks"] if architecture.stages[:1] == ((),) else []  # the first stage is that of blocks
    shape = f"{architecture.resolution} px, blocks {depths}: {blocks}" if blocks else architecture.space + "".join(left)
    return shape + (f"; {policy}" if policy else "")


def _block(block: ConvBlock | OperatorBlock) -> str:
    return f"k{block.kernel_size}e{block.expand_ratio:g}" if isinstance(block, ConvBlock) else str(block.operator)


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count}x {name}" for name, count in Counter(names).most_common())
