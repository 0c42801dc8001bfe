"""Silences the logs of libraries where the error that follows says the same in one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Holds back the log of a library while a block runs.

    Args:
        logger: Its name.
    """
    held = logging.getLogger(logger)
    level = held.level
    held.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        held.setLevel(level)
