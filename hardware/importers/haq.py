"""HAQ's table of accelerator cycles: MobileNetV2 at 224 pixels, 100 classes, batch 16, by weight and activation bits.

An array of shape (53, 8, 8) becomes a `LatencyTable` of the metric `latency_cycles`.
Source: Wang et al., "HAQ", CVPR 2019.
"""

from __future__ import annotations

from io import BytesIO
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.device import Device
from hardware.importers.common import build_bit_table
from hardware.input_file import read_input
from hardware.tables.entry import MOST_COST
from hardware.tables.latency_table import LatencyTable
from search_spaces.compression_policy import QUANTIZED_BITS
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

# Expand ratio, output channels, blocks and stride of the first block, for every stage (MobileNetV2, table 2).
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MOST_BYTES = 1 << 20  # its 3,392 numbers take 27 KB
_CLASSES = 100  # HAQ's network is for 100 classes of ImageNet


def read_haq(path: Path) -> LatencyTable:
    """Reads `latency_cycles.npy`, of axes layers, weight bits and activation bits, both from 1; 1 bit is left out.

    Raises:
        ValueError: If the file holds no array of shape (53, 8, 8), a cost is not positive and finite, or equal layers
            have different costs.
    """
    layers = list_mobilenet_v2_layers()
    cycles = _read_numbers(path, (len(layers), 8, 8))
    costs: dict[tuple[LayerSpec, int, int], dict[str, float]] = {}
    for number, (layer, by_bits) in enumerate(zip(layers, cycles, strict=True)):
        for weights, activations in product(QUANTIZED_BITS, repeat=2):
            cost = float(by_bits[weights - 1, activations - 1])
            place = f"{path}, cell [{number}, {weights - 1}, {activations - 1}]"
            if not 0 < cost <= MOST_COST:
                raise ValueError(f"{place}: must be a number of cycles above 0, got {cost}")
            value = {"latency_cycles": cost}
            if costs.setdefault((layer, weights, activations), value) != value:
                raise ValueError(f"{place}: is another cost of '{layer}' at w{weights}a{activations}, got {cost:g}")
    return build_bit_table(Device("haq_accelerator", "simulator", batch=16), costs)


def _read_numbers(path: Path, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The array of a file of NumPy; its header is read first, and what it declares is held against its bytes."""
    stream = BytesIO(read_input(path, _MOST_BYTES))
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"its format {version} is not known")
        declared, transposed, kind = _HEADERS[version](stream)
    except Exception as error:  # whatever the parser of headers raises: errors of its tokens, of types, of depth
        raise ValueError(f"{path} is not an array that NumPy wrote (.npy)") from error
    if declared != shape or kind.kind not in "iuf":
        what = f"numbers of shape {shape}, got {str(kind)[:40]} of shape {str(declared)[:80]}"
        raise ValueError(f"{path} must hold {what}")
    content = stream.read()
    if len(content) != prod(shape) * kind.itemsize:
        raise ValueError(f"{path} must have {prod(shape) * kind.itemsize:,} bytes of numbers, got {len(content):,}")
    found = np.frombuffer(content, kind).reshape(shape, order="F" if transposed else "C")
    return found.astype(np.float64)


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
