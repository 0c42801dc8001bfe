"""What an exported file is said to be; `nas.verification.manifest_file` writes and reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from search_spaces.quoting import quote

Kind = Literal["fp32", "quantized"]
FORMAT = 1


@dataclass(frozen=True)
class StoredFile:
    """A file beside the manifest.

    Attributes:
        name: Its name, without a folder.
        bytes: Its size.
        sha256: The SHA-256 of its content, in hexadecimal digits.

    Raises:
        ValueError: If the name has a folder.
    """

    name: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if self.name in ("", ".", "..") or Path(self.name).name != self.name or "\\" in self.name:
            raise ValueError(f"the name of a file must be one in the folder of the manifest, got {quote(self.name)}")

    @classmethod
    def of(cls, path: Path) -> StoredFile:
        """What lies at a path.

        Args:
            path: The file.
        """
        return describe_content(path.name, path.read_bytes())


def describe_content(name: str, content: bytes) -> StoredFile:
    """A file of a name and a content, which need not lie there yet.

    Args:
        name: Its name.
        content: Its content.
    """
    return StoredFile(name, len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class Value:
    """A metric of the network, in its own unit.

    Attributes:
        value: The value.
        std: Its standard deviation; None where it is not known.
        source: Where it comes from, such as "measured", "expected" or "test".
    """

    value: float
    std: float | None
    source: str


@dataclass(frozen=True)
class Target:
    """What the file is for; see `nas.export.target.ExportTarget`.

    Attributes:
        runtime: Name of the runtime.
        oldest: Its oldest version that loads the file.
        opset: The opset that the file names.
        batch: The fixed batch size; None for any.
        storage: "packed" for weights of few bits without gaps, "bytes" for a byte for each code.
    """

    runtime: str
    oldest: tuple[int, ...]
    opset: int
    batch: int | None
    storage: str


@dataclass(frozen=True)
class Latency:
    """Latency on a device.

    Attributes:
        device: The device and the machine.
        batch: Number of samples in a batch.
        threads: Number of threads.
        predicted_ms: Predicted milliseconds for a batch; None where nothing predicts it.
        measured_ms: Measured milliseconds for a batch; None where it was not measured.

    Raises:
        ValueError: If a number is not above 0.
    """

    device: str
    batch: int
    threads: int
    predicted_ms: float | None
    measured_ms: float | None

    def __post_init__(self) -> None:
        numbers = (self.batch, self.threads, self.predicted_ms, self.measured_ms)
        if not all(number is None or number > 0 for number in numbers):
            raise ValueError(f"numbers of a latency must be above 0, got {quote(numbers)}")


@dataclass(frozen=True)
class Size:
    """The size that the policy promises.

    Attributes:
        weight_bytes: Bytes of all weights in their bits, as the target stores them.
        overhead_bytes: Bytes of the file that are no weights: nodes, names, steps, biases and notes.
    """

    weight_bytes: float
    overhead_bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a file is said to be.

    Attributes:
        file: The ONNX file.
        samples: The inputs and torch's outputs, an .npz file.
        candidate: Key of the candidate; empty for a network that is none.
        form: The format of the export, such as "mixed".
        kind: "fp32" where nothing is rounded, else "quantized".
        policies: The policy of each layer, by its name.
        target: What the file is for.
        metrics: Metrics by name.
        latency: Its latency on a device; None where there is none.
        size: What the policy promises of its size.
        integer_layers: How many calls of layers run in integers.
        float_layers: How many calls of layers, of those with weights, run in floating point.
        output_step: The step of the outputs, where a quantiser rounds them; None where none does.
        versions: Versions of what made it, by name.
        format: The format of the manifest.
    """

    file: StoredFile
    samples: StoredFile
    candidate: str
    form: str
    kind: Kind
    policies: Mapping[str, str]
    target: Target
    metrics: Mapping[str, Value]
    latency: Latency | None
    size: Size
    integer_layers: int
    float_layers: int
    output_step: float | None
    versions: Mapping[str, str]
    format: int = FORMAT
