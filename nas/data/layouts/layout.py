"""The base class of layouts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from nas.data.layouts.records import StoredSplits
from nas.data.reading import Columns


class Layout(ABC):
    """A way in which samples and labels lie in files.

    Attributes:
        expected: What a folder or file of this layout looks like, for messages.
    """

    expected: ClassVar[str]

    @abstractmethod
    def recognizes(self, path: Path) -> bool:
        """Whether a folder or file that exists is of this layout, by names of files alone."""

    @abstractmethod
    def read(self, path: Path, columns: Columns) -> StoredSplits:
        """Lists the samples, and reads their labels, but not their inputs.

        Args:
            path: The folder or file.
            columns: The columns to read, where the layout has columns.

        Raises:
            ValueError: If something is missing or damaged; the message names file, column and row.
        """
