"""The ready-made spaces by name, with the shapes of their families.

Another package adds one by an entry point `nas.spaces`. Independent of torch and of data.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from search_spaces.families.mobilenet_v3 import MobileNetV3Shape, MobileNetV3Space, MobileStage
from search_spaces.families.resnet import BASIC, BOTTLENECK, ResNetShape, ResNetSpace, ResNetStage
from search_spaces.registry import Registry
from search_spaces.search_space import SearchSpace

_MOBILENET_V3_IMAGENET = MobileNetV3Shape(
    resolutions=(128, 160, 192, 224),
    depths=(2, 3, 4),
    kernel_sizes=(3, 5, 7),
    expand_ratios=(3, 4, 6),
    stem_width=16,
    stem_stride=2,
    stages=(
        MobileStage(24, 2, "relu", squeeze_excite=False),
        MobileStage(40, 2, "relu", squeeze_excite=True),
        MobileStage(80, 2, "hard_swish", squeeze_excite=False),
        MobileStage(112, 1, "hard_swish", squeeze_excite=True),
        MobileStage(160, 2, "hard_swish", squeeze_excite=True),
    ),
    head_width=960,
    feature_width=1280,
)
_MOBILENET_V3_CIFAR = MobileNetV3Shape(
    resolutions=(24, 28, 32),
    depths=(1, 2, 3),
    kernel_sizes=(3, 5, 7),
    expand_ratios=(2, 3, 4),
    stem_width=16,
    stem_stride=1,
    stages=(
        MobileStage(24, 2, "relu", squeeze_excite=False),
        MobileStage(40, 2, "relu", squeeze_excite=True),
        MobileStage(64, 1, "hard_swish", squeeze_excite=True),
    ),
    head_width=192,
    feature_width=256,
)
_MOBILENET_V3_DIGITS = MobileNetV3Shape(
    resolutions=(12, 16),
    depths=(1, 2),
    kernel_sizes=(3, 5),
    expand_ratios=(2, 3, 4),
    stem_width=8,
    stem_stride=1,
    stages=(
        MobileStage(16, 2, "relu", squeeze_excite=False),
        MobileStage(24, 2, "relu", squeeze_excite=True),
    ),
    head_width=64,
    feature_width=64,
)
_RESNET_CIFAR = ResNetShape(
    resolutions=(24, 28, 32),
    stem_width=16,
    block_kernels=BOTTLENECK,
    inner_ratios=(0.25, 0.5, 0.75),
    shortcut="conv",
    stages=(
        ResNetStage((32, 48, 64), (1, 2, 3), 1),
        ResNetStage((64, 96, 128), (1, 2, 3), 2),
        ResNetStage((128, 192, 256), (1, 2, 3), 2),
    ),
)
_RESNET_DIGITS = ResNetShape(
    resolutions=(12, 16),
    stem_width=8,
    block_kernels=BASIC,
    inner_ratios=(0.5, 1.0),
    shortcut="conv",
    stages=(ResNetStage((16, 24), (1, 2), 2), ResNetStage((24, 32), (1, 2), 2)),
)
_RESNET20_CIFAR = ResNetShape(
    resolutions=(32,),
    stem_width=16,
    block_kernels=BASIC,
    inner_ratios=(1.0,),
    shortcut="pad",
    stages=(ResNetStage((16,), (1, 2, 3), 1), ResNetStage((32,), (1, 2, 3), 2), ResNetStage((64,), (1, 2, 3), 2)),
)

SPACES: Registry[Callable[[int, int], SearchSpace]] = Registry(
    "space",
    {
        "mobilenet_v3_imagenet": partial(MobileNetV3Space, "mobilenet_v3_imagenet", _MOBILENET_V3_IMAGENET),
        "mobilenet_v3_cifar": partial(MobileNetV3Space, "mobilenet_v3_cifar", _MOBILENET_V3_CIFAR),
        "mobilenet_v3_digits": partial(MobileNetV3Space, "mobilenet_v3_digits", _MOBILENET_V3_DIGITS),
        "resnet_cifar": partial(ResNetSpace, "resnet_cifar", _RESNET_CIFAR),
        "resnet_digits": partial(ResNetSpace, "resnet_digits", _RESNET_DIGITS),
        "resnet20_cifar": partial(ResNetSpace, "resnet20_cifar", _RESNET20_CIFAR),
    },
)


def create_space(name: str, image_channels: int, classes: int) -> SearchSpace:
    """The ready-made space of a name, for the images and classes of a data set.

    Args:
        name: One of `SPACES`.
        image_channels: Channels of the input images.
        classes: Outputs of the classifier.

    Raises:
        ValueError: If the name is unknown; the known ones are listed.
    """
    return SPACES[name](image_channels, classes)
