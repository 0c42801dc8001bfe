"""The ResNet family has one width per stage, and ResNet-20 among its members."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space


def test_the_largest_resnet20_is_the_published_one() -> None:
    space = create_space("resnet20_cifar", 3, 10)
    layers = space.layers(JointSpace(space).largest().architecture)
    assert len(layers) == 20
    assert sum(layer.parameters for layer in layers) == 269_722
    assert sum(layer.macs for layer in layers) == 40_551_040


def test_blocks_of_a_stage_share_their_width() -> None:
    space = create_space("resnet_digits", 1, 10)
    architecture = JointSpace(space).largest().architecture
    (first, second), other = architecture.stages
    with pytest.raises(ValueError, match="stage 0 of space 'resnet_digits' needs ConvBlocks of one width"):
        space.encode(replace(architecture, stages=((first, replace(second, width=16)), other)))
