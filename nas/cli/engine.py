"""What the engine needs and is not installed: a program that only verifies files is installed without it."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires

_OF_ENGINE = re.compile(r"([\w.-]+).*extra *== *['\"]engine['\"]", re.ASCII)


def find_lacking() -> list[str]:
    """Names of the packages of the extra `engine` that are not installed."""
    found = (_OF_ENGINE.match(one) for one in requires("nas") or [])
    return [one[1] for one in found if one is not None and not _is_installed(one[1])]


def describe_lacking(lacking: list[str]) -> str:
    """The line that says what to install.

    Args:
        lacking: Names of packages, one or more.
    """
    return (
        f"this command needs the engine, of which {lacking[0]} is not installed; in the folder of this project: "
        "pip install -c constraints.txt -e '.[engine]'"
    )


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
