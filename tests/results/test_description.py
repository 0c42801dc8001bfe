from __future__ import annotations

from results.description import describe
from search_spaces.candidate import Architecture, Candidate, ChannelBlock, ConvBlock, KeptBlock, OperatorBlock
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy


def test_describe_counts_blocks_and_policies() -> None:
    stages = ((ConvBlock(8, 3, 4.0), ConvBlock(8, 3, 4.0)), (OperatorBlock("skip"),))
    policy = CompressionPolicy((LayerPolicy.quantized(8, 8), LayerPolicy.quantized(4, 8), LayerPolicy.quantized(8, 8)))
    made = Candidate(Architecture("made-up", 32, stages), policy)
    assert describe(made) == "32 px, blocks 2-1: 2x k3e4, 1x skip; 2x w8a8, 1x w4a8"
    assert describe(Candidate(made.architecture)) == "32 px, blocks 2-1: 2x k3e4, 1x skip"


def test_a_given_network_without_its_blocks_is_no_whole_one() -> None:
    blocks, widths = (KeptBlock("1"), KeptBlock("2")), (ChannelBlock("a", 8),)
    shown = [describe(Candidate(Architecture("n", 32, stages))) for stages in ((), (blocks,), ((),), ((), widths))]
    assert shown == ["n", "n, with 1 2", "n, without blocks", "n, channels 8, without blocks"]
