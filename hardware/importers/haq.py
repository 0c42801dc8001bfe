"""HAQ's table of accelerator cycles: MobileNetV2 at 224 pixels, 100 classes, batch 16, by weight and activation bits.

An array of shape (53, 8, 8) becomes a `LatencyTable` of the metric `latency_cycles`.
Source: Wang et al., "HAQ", CVPR 2019.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from hardware.device import Device
from hardware.importers.common import build_bit_table
from hardware.tables.latency_table import LatencyTable
from search_spaces.compression_policy import QUANTIZED_BITS
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

# Expand ratio, output channels, blocks and stride of the first block, for every stage (MobileNetV2, table 2).
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_CLASSES = 100  # HAQ's network is for 100 classes of ImageNet


def read_haq(path: Path) -> LatencyTable:
    """Reads `latency_cycles.npy`, of axes layers, weight bits and activation bits, both from 1; 1 bit is left out.

    Raises:
        ValueError: If the file holds no array of shape (53, 8, 8), or different costs of equal layers.
    """
    try:
        cycles = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not an array that NumPy wrote") from error
    layers = list_mobilenet_v2_layers()
    if getattr(cycles, "shape", None) != (len(layers), 8, 8):
        raise ValueError(
            f"{path} must hold an array of shape ({len(layers)}, 8, 8), got {getattr(cycles, 'shape', None)}"
        )
    costs: dict[tuple[LayerSpec, int, int], dict[str, float]] = {}
    for layer, by_bits in zip(layers, cycles, strict=True):
        for weights, activations in product(QUANTIZED_BITS, repeat=2):
            value = {"latency_cycles": float(by_bits[weights - 1, activations - 1])}
            if costs.setdefault((layer, weights, activations), value) != value:
                raise ValueError(f"{path} has two costs of '{layer}' at w{weights}a{activations}")
    return build_bit_table(Device("haq_accelerator", "simulator", batch=16), costs)


def list_mobilenet_v2_layers() -> list[LayerSpec]:
    """The layers of MobileNetV2, in order, without names, activations and normalisation."""
    width, size = 32, 112
    layers = [LayerSpec.conv("", Convolution.square(3, width, 3, 2), 224)]
    for expand, out, depth, first_stride in _STAGES:
        for index in range(depth):
            stride, inner = first_stride if index == 0 else 1, width * expand
            if expand > 1:
                layers.append(LayerSpec.conv("", Convolution.square(width, inner), size))
            layers.append(LayerSpec.conv("", Convolution.square(inner, inner, 3, stride, inner), size))
            size = -(-size // stride)
            layers.append(LayerSpec.conv("", Convolution.square(inner, out), size))
            width = out
    return [
        *layers,
        LayerSpec.conv("", Convolution.square(width, 1280), size),
        LayerSpec.linear("", 1280, _CLASSES, bias=False),
    ]
