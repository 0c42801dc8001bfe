"""What an exported file is for: the runtime that must load it, and what that allows the file to be."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nas.export.runtimes import RUNTIMES, TYPE_OPSETS, Version, format_version

OLDEST_OPSET = 13  # before it there are no steps per channel, so no runtime has integer kernels for what is exported
STORAGES = ("packed", "bytes")
_RELEASE = re.compile(r"([A-Za-z][\w-]*) *>= *(\d{1,9}(?:\.\d{1,9}){1,3})", re.ASCII)


@dataclass(frozen=True)
class ExportTarget:
    """What an exported file is for.

    Attributes:
        runtime: Name of the runtime, a key of `nas.export.runtimes.RUNTIMES`.
        oldest: Its oldest release that must load the file, such as (1, 20).
        opset: The newest opset that the file may name; None sets no limit but that of the runtime. A file names the
            oldest opset that its nodes allow.
        batch: The batch that the file is for; None lets it run at any.
        storage: `packed` keeps weights of few bits without gaps, and nodes that unpack them when a session opens;
            `bytes` keeps a byte for each code, for tools that read no such nodes. None, which no target keeps, is the
            former where the runtime unpacks, else the latter.

    Raises:
        ValueError: If there is no such runtime or storage, the release is too old for any export, the opset is below
            13, or the batch below 1.
    """

    runtime: str = "onnxruntime"
    oldest: Version = (1, 20)
    opset: int | None = None
    batch: int | None = None
    storage: str | None = None

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise ValueError(f"unknown runtime {self.runtime!r}; known: {', '.join(RUNTIMES)}")
        least = RUNTIMES[self.runtime].opsets[OLDEST_OPSET]
        if not self.oldest >= least:
            raise ValueError(
                f"exports need {self.runtime} {format_version(least)} or later, which has opset {OLDEST_OPSET}, "
                f"got {format_version(self.oldest)}"
            )
        if self.opset is not None and not self.opset >= OLDEST_OPSET:
            raise ValueError(
                f"exports need opset {OLDEST_OPSET} or later, which has steps per channel, got {self.opset}"
            )
        if self.batch is not None and not self.batch >= 1:
            raise ValueError(f"the batch of an export must be 1 or more, got {self.batch}")
        if self.storage is None:
            object.__setattr__(self, "storage", "packed" if RUNTIMES[self.runtime].unpacks else "bytes")
        if self.storage == "packed" and not RUNTIMES[self.runtime].unpacks:
            raise ValueError(f"{self.runtime} does not unpack weights as it loads a file; store them as bytes")
        if self.storage not in STORAGES:
            raise ValueError(f"unknown storage of weights {self.storage!r}; known: {', '.join(STORAGES)}")

    @classmethod
    def parse(
        cls,
        runtime: str = "onnxruntime>=1.20",
        opset: int | None = None,
        batch: int | None = None,
        storage: str | None = None,
    ) -> ExportTarget:
        """A target from the words of a user.

        Args:
            runtime: The runtime and its oldest release that must load the file, such as `onnxruntime>=1.20`.
            opset: The newest opset that the file may name; None sets no limit but that of the runtime.
            batch: The batch that the file is for; None lets it run at any.
            storage: `packed` or `bytes`; None is the former where the runtime unpacks.

        Raises:
            ValueError: If one of them is not as it must be.
        """
        found = _RELEASE.fullmatch(runtime.strip())
        if found is None:
            raise ValueError(
                f"a runtime must be its name and its oldest release, such as onnxruntime>=1.20, got {runtime!r}"
            )
        return cls(found[1], tuple(map(int, found[2].split("."))), opset, batch, storage)

    def list_types(self) -> list[int]:
        """Bits of each type of fewer than 8 bits that a file may have."""
        types = RUNTIMES[self.runtime].types
        return [
            bits
            for bits, first in types.items()
            if first <= self.oldest and (self.opset is None or TYPE_OPSETS[bits] <= self.opset)
        ]

    def check_opset(self, opset: int, reason: str) -> None:
        """Refuses an opset that the target cannot load.

        Args:
            opset: The opset that a file names.
            reason: What needs it, such as "Gelu", for the error.

        Raises:
            ValueError: If it is newer than the target allows.
        """
        if self.opset is not None and not opset <= self.opset:
            raise ValueError(f"{reason} needs opset {opset}, got a limit of {self.opset}: raise it to {opset}")
        first = RUNTIMES[self.runtime].find_release(opset)
        if first is not None and not first <= self.oldest:
            raise ValueError(
                f"{reason} needs opset {opset}, which {self.runtime} has since {format_version(first)}, "
                f"got {self.runtime}>={format_version(self.oldest)}: ask for {self.runtime}>={format_version(first)}"
            )


DEFAULT_TARGET = ExportTarget()  # any batch, on the oldest runtime that every form of storage was tried in
