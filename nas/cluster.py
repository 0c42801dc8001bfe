"""Joins a Ray cluster, or starts one on this machine.

Ray is an optional dependency, so it is imported when a session begins, not with this module.
"""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST_WORKERS = 4096  # processes of a search; the largest machines have as many CPUs as this, and clusters as many slots
LOCAL = "local"  # the address that starts a cluster
_AUTO = "auto"  # the address of the cluster that already runs on this machine
_ANSWER_S = 5  # a server that runs accepts a connection well within this time
_PORT = re.compile(r"[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]")  # to 65535
_PLAIN = re.compile(r"(\w+://)?(\[[0-9a-fA-F:]+\]|[\w.-]*)(:\d+)?/?")  # an address without user, password and options
_LEAST_SHARE = 0.0001  # the least share of a GPU: Ray counts resources in steps of this size


def import_ray() -> Any:
    """Imports and returns the module `ray`.

    Raises:
        ValueError: If Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ValueError(
            "this needs Ray; in the folder of this project: pip install -c constraints.txt -e '.[ray]'"
        ) from error
    return ray


@contextmanager
def ray_session(address: str, cpus: int) -> Iterator[Any]:
    """Connects to a Ray cluster while a block runs, and yields the module `ray`.

    A process that is connected already stays in its cluster, whichever address is given.

    Args:
        address: `"local"` to start a cluster, which ends with the block; `"auto"` for the cluster that runs on this
            machine; or `host:port` of another one.
        cpus: Number of CPUs of a cluster that is started.

    Raises:
        ValueError: If Ray is not installed, the address is malformed, or no cluster answers.
    """
    ray = import_ray()
    check_address(address)
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address == LOCAL:
        options |= {"num_cpus": cpus, "include_dashboard": False}
    elif address != _AUTO:
        _check_reachable(address)
    at_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, **options)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, at_sigterm)  # Ray has put an end of its own there, without a word
    except (ConnectionError, RuntimeError, ValueError) as error:
        if address == _AUTO:
            raise ValueError(
                "no Ray cluster runs on this machine; start one with --ray, or name one: host:port"
            ) from error
        raise ValueError(f"no Ray cluster answers at {address!r}: {str(error).splitlines()[0]}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def show_address(address: str) -> str:
    """An address as messages show it: whole if it has no place for a password, else no more than its scheme."""
    if _PLAIN.fullmatch(address):
        return address
    scheme, separator, _ = address.partition("://")
    return f"{scheme}://***" if separator and scheme.isalpha() else "***"


def check_address(address: str) -> None:
    """Checks the form of the address of a cluster, whether one answers there or not.

    Raises:
        ValueError: If it is neither `local`, nor `auto`, nor `host:port`.
    """
    shown = show_address(address)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address not in (LOCAL, _AUTO) and (shown != address or not host or not _PORT.fullmatch(port)):
        raise ValueError(f"a Ray cluster is given as 'auto' or host:port, such as 10.0.0.1:6379, got {shown!r}")


def check_gpus(share: float) -> None:
    """Checks the share of a GPU that each worker takes.

    Raises:
        ValueError: If the share is neither 0 nor from 0.0001 to 1.
    """
    if share != 0 and not _LEAST_SHARE <= share <= 1:
        raise ValueError(f"a worker takes 0, or from {_LEAST_SHARE} to 1 GPU, got {share:g}")


def ray_failure(what: str, error: Exception) -> OSError:
    """An error of one line that stands for an error of Ray.

    Args:
        what: The event, such as `a Ray worker died`.
        error: The error of Ray.
    """
    return OSError(f"{what} ({describe_ray_error(error)}); start the run again to go on with it")


def describe_ray_error(error: Exception) -> str:
    """The reason of an error of Ray: the last line of its message, as the lines before are a trace."""
    return str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__


def _check_reachable(address: str) -> None:
    """Raises ValueError unless a server accepts connections at `host:port`; Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), _ANSWER_S).close()
    except OSError as error:
        raise ValueError(f"no Ray cluster answers at {address!r}: {error.strerror or error}") from error
