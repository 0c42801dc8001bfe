"""Silences the logs of libraries whose errors are reported by this program itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Silences all messages of a logger below `CRITICAL` while a block runs.

    Args:
        logger: Name of the logger, such as that of a package.
    """
    held = logging.getLogger(logger)
    level = held.level
    held.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        held.setLevel(level)
