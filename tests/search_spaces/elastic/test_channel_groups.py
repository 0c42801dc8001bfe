"""Groups of channels of ready-made spaces by hand; that sorting keeps networks is tested with the supernets."""

from __future__ import annotations

from search_spaces.elastic.channel_groups import ChannelGroup, find_channel_groups
from search_spaces.presets import create_space


def groups(name: str) -> list[ChannelGroup]:
    space = create_space(name, 3, 10)
    return find_channel_groups(space.nodes, {layer.name: layer for layer in space.layers(space.largest())})


def test_a_squeeze_reads_channels_without_judging_them() -> None:
    block = "stages.1.0"
    inner = ChannelGroup(
        (f"{block}.expand", f"{block}.depthwise", f"{block}.excite"),
        (f"{block}.squeeze", f"{block}.project"),
        (f"{block}.project",),
    )
    assert inner in groups("mobilenet_v3_digits")


def test_a_residual_stream_is_one_group() -> None:
    producers = ("stages.0.0.project", "stages.0.1.project")
    readers = ("stages.0.1.expand", "stages.1.0.expand")
    assert ChannelGroup(producers, readers, readers) in groups("mobilenet_v3_digits")
    producers = ("stages.1.0.conv2", "stages.1.0.shortcut", "stages.1.1.conv2")
    readers = ("stages.1.1.conv1", "classifier")
    assert ChannelGroup(producers, readers, readers) in groups("resnet_digits")


def test_a_layer_may_read_and_write_one_stream() -> None:
    (stream,) = (group for group in groups("mobilenet_v3_digits") if "stem" in group.producers)
    assert stream.producers == ("stem", "first.depthwise", "first.project")
    assert stream.consumers == ("first.project", "stages.0.0.expand")


def test_zero_padding_the_image_and_the_classes_fix_the_order_of_channels() -> None:
    found = groups("resnet20_cifar")
    assert all("conv1" in producer for group in found for producer in group.producers)
    assert all("classifier" not in group.producers for group in groups("resnet_cifar"))
