"""The inputs of samples by row: in memory, or decoded when they are read."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.decoding.decoder import Decoder
from nas.data.layouts.records import Records

if TYPE_CHECKING:
    from hashlib import _Hash

HASH_BYTES = 16  # of the hash of a stored sample
_WINDOW_BYTES = 48 * 2**20  # of encoded samples that are in random order together, and in memory in each reader
_CHUNK = 256  # samples of which the stored form is in memory at a time


class Inputs(ABC):
    """Inputs of n samples, such as images, all of one shape."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, such as (channels, height, width)."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, rows: Tensor | slice) -> Inputs:
        """The inputs at `rows`: row indices, int64 of shape (k,), or a slice."""

    @abstractmethod
    def read(self) -> Tensor:
        """All of these inputs in memory, shape (n, *shape); images are uint8, from 0 to 255.

        Raises:
            ValueError: If an input cannot be decoded; the message names its place.
        """

    @property
    def blocks(self) -> Tensor | None:
        """The block of each input that is read from disk together, int64, shape (n,); None if any is read alone."""
        return None

    @property
    def blocks_per_window(self) -> int:
        """Number of blocks that a reader can keep in memory."""
        return 1

    def spread(self, count: int) -> Inputs:
        """At most `count` of the inputs, evenly spread over all of them."""
        return self.take(slice(None, None, max(1, -(-len(self) // count))))

    @abstractmethod
    def update(self, digest: _Hash, content: str | None = None) -> None:
        """Adds the content of the inputs to a hash.

        Args:
            digest: The hash.
            content: What `hash_content` gives of the stored samples in their order, where a survey has read them
                already; None reads those that are not in memory.
        """


@dataclass(frozen=True)
class TensorInputs(Inputs):
    """Inputs in memory, or in a file that is mapped into memory.

    Attributes:
        tensor: Shape (n, *shape).
    """

    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.tensor.shape[1:])

    def __len__(self) -> int:
        return len(self.tensor)

    def take(self, rows: Tensor | slice) -> TensorInputs:
        """The inputs at row indices of shape (k,), copied, or a view of those of a slice."""
        return TensorInputs(self.tensor[rows])

    def read(self) -> Tensor:
        """The tensor itself, shape (n, *shape)."""
        return self.tensor

    def update(self, digest: _Hash, content: str | None = None) -> None:  # noqa: ARG002
        """Adds shape and content, which are in memory."""
        digest.update(str(tuple(self.tensor.shape)).encode())
        digest.update(self.tensor.cpu().contiguous().numpy().tobytes())


@dataclass(frozen=True)
class StoredInputs(Inputs):
    """Inputs that are read from where they are stored, and decoded, each time.

    Attributes:
        records: The stored samples.
        decoder: Decodes them.
        rows: Rows of the records, int64, shape (n,).
    """

    records: Records
    decoder: Decoder
    rows: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.decoder.shape

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Tensor | slice) -> StoredInputs:
        """The inputs at row indices of shape (k,), or of a slice; nothing is read."""
        return StoredInputs(self.records, self.decoder, self.rows[rows])

    def read(self) -> Tensor:
        """Reads and decodes all of these inputs, shape (n, *shape)."""
        arrays = torch.empty((len(self), *self.decoder.array_shape), dtype=self.decoder.dtype)
        self.read_into(arrays.numpy())
        return self.decoder.arrange(arrays)

    def read_into(self, arrays: NDArray[np.generic]) -> None:
        """Reads and decodes all of these inputs into memory that is there.

        Args:
            arrays: Receives the inputs as the decoder gives them, before they are arranged: shape (n, *array_shape).
        """
        for places in self.rows.argsort().split(_CHUNK):  # in stored order, which is read quickest
            rows = self.rows[places].tolist()
            for place, row, stored in zip(places.tolist(), rows, self.records.read(rows), strict=True):
                arrays[place] = self.decoder.decode(stored, _Place(self.records, row))

    @property
    def decoded_bytes(self) -> int:
        """Size of all of these inputs in memory."""
        return len(self) * prod(self.shape) * self.decoder.dtype.itemsize

    @property
    def shared_bytes(self) -> int:
        """Size of what processes that are started to read these inputs share."""
        return self.rows.nbytes + self.records.shared_bytes

    @property
    def blocks(self) -> Tensor | None:
        """The blocks of the records."""
        sizes = self.records.block_sizes
        if sizes is None:
            return None
        return torch.searchsorted(torch.tensor(sizes).cumsum(0), self.rows, right=True)

    @property
    def blocks_per_window(self) -> int:
        """As many blocks as fit into 48 MiB, and at least one."""
        return max(1, _WINDOW_BYTES // max(1, self.records.block_bytes))

    def spread(self, count: int) -> StoredInputs:
        """At most `count` of the inputs, evenly spread over their files, in stored order, which is read quickest."""
        rows = self.rows.sort().values
        return StoredInputs(self.records, self.decoder, rows[:: max(1, -(-len(rows) // count))])

    def update(self, digest: _Hash, content: str | None = None) -> None:
        """Adds the content as it is stored, and how it is decoded."""
        digest.update(repr(self.decoder).encode())
        digest.update((content or self._hash_content()).encode())

    def _hash_content(self) -> str:
        hashes = np.empty((len(self), HASH_BYTES), np.uint8)
        for places in self.rows.argsort().split(_CHUNK):  # in stored order, which is read quickest
            for place, stored in zip(places.tolist(), self.records.read(self.rows[places].tolist()), strict=True):
                hashes[place] = np.frombuffer(hash_stored(stored), np.uint8)
        return hash_content(hashes)


@dataclass(frozen=True)
class _Place:
    """The place of a sample, which is made a text only for a message."""

    records: Records
    row: int

    def __str__(self) -> str:
        return self.records.where(self.row)


def hash_stored(stored: object) -> bytes:
    """The hash of a stored sample: of bytes, a text or an array; 16 bytes."""
    if isinstance(stored, np.ndarray):
        content = f"{stored.shape}{stored.dtype}".encode() + np.ascontiguousarray(stored).tobytes()
    else:
        content = stored if isinstance(stored, bytes) else str(stored).encode()
    return hashlib.blake2b(content, digest_size=HASH_BYTES).digest()


def hash_content(hashes: NDArray[np.uint8]) -> str:
    """One hash of many stored samples, in hexadecimal digits.

    Args:
        hashes: What `hash_stored` gives of each sample, in their order, shape (n, 16).
    """
    return hashlib.blake2b(hashes.tobytes(), digest_size=HASH_BYTES).hexdigest()
