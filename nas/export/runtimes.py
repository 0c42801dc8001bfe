"""What each runtime loads, with the first release that does: one table for all that is exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TYPE_OPSETS = {4: 21, 2: 25}  # in which ONNX got a type of so many bits and casts from it
Version = tuple[int, ...]  # of a release, such as (1, 20)


@dataclass(frozen=True)
class Runtime:
    """What a runtime loads.

    Attributes:
        name: Its name, as that of its package.
        opsets: For each opset, the first release that implements it.
        unpacks: Whether it runs nodes that unpack weights once, as it loads a file. Else it would take the weights for
            values of each inference, and compute their layers on floats.
        symmetric: Whether it computes only with signed codes whose zero points are 0.
        types: For each type of fewer than 8 bits, by its bits, the first release that casts it to 8 as it loads a file.
            Tensors of that type are not worth more: no release has kernels that compute with them as fast as with 8.
    """

    name: str
    opsets: Mapping[int, Version]
    unpacks: bool = True
    symmetric: bool = False
    types: Mapping[int, Version] = field(default_factory=dict)

    def find_release(self, opset: int) -> Version | None:
        """The first release that implements an opset; None if that is not known."""
        return self.opsets.get(opset)


_ONNXRUNTIME = Runtime(
    "onnxruntime",
    # From its table of compatibility. Of those after 21, exports write 25 alone, which 1.23 does not load.
    {13: (1, 6), 14: (1, 8), 15: (1, 9), 16: (1, 11), 17: (1, 12), 18: (1, 14), 19: (1, 15), 20: (1, 17), 21: (1, 18)}
    | {25: (1, 24)},
    types={4: (1, 23), 2: (1, 24)},
)
# Storage was tried in 2025.0 and 2026.4, opsets in the latter, which refuses none. Both run a cast from a type of 4
# bits once, but not the shifts that unpack other numbers of bits; neither loads a type of 2 bits.
_OPENVINO = Runtime("openvino", dict.fromkeys(range(13, 22), (2025, 0)), unpacks=False)
# As it is documented: nothing was tried.
_TENSORRT = Runtime("tensorrt", dict.fromkeys(range(13, 22), (11, 0)), unpacks=False, symmetric=True)
RUNTIMES: Mapping[str, Runtime] = {runtime.name: runtime for runtime in (_ONNXRUNTIME, _OPENVINO, _TENSORRT)}


def format_version(version: Version) -> str:
    """A version as it is written, such as `1.20`."""
    return ".".join(map(str, version))
