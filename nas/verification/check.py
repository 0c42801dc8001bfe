"""What a check of a file finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What a check of a file found.

    Attributes:
        name: What was checked.
        passed: Whether the file is as it must be; None where it could not be checked here.
        detail: What was found, or what the check needs; if it failed, what would have been right.
    """

    name: str
    passed: bool | None
    detail: str

    @property
    def outcome(self) -> str:
        """The outcome in words."""
        return "not run" if self.passed is None else "pass" if self.passed else "fail"


def find_failure(checks: Iterable[Check]) -> Check | None:
    """The first check that failed; None if none did.

    Args:
        checks: The checks.
    """
    return next((check for check in checks if check.passed is False), None)
