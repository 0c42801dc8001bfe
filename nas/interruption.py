"""Interrupts: SIGINT, as Ctrl-C sends it, and SIGTERM, by which clusters and systems end a program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """The program is to end, by SIGTERM; it does so as after Ctrl-C."""


@contextmanager
def terminated_by_signal() -> Iterator[None]:
    """Lets SIGTERM raise `Terminated` in the main thread while a block runs."""

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    with _handled({signal.SIGTERM: terminate}):
        yield


@contextmanager
def deferred_interrupts() -> Iterator[Callable[[], bool]]:
    """Lets an interrupt wait for the end of a block, which may so keep its work: it is raised there.

    Yields:
        A function that tells whether an interrupt waits. A second one does not wait. In other threads than the main
        one, which interrupts do not reach, none ever does.
    """
    waiting: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        if waiting:
            _raise(before[signal.Signals(number)], number, frame)
        waiting.append(number)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    with _handled(dict.fromkeys(_SIGNALS, wait)):
        yield lambda: bool(waiting)
    if waiting:
        _raise(before[signal.Signals(waiting[0])], waiting[0], None)


@contextmanager
def resumable() -> Iterator[None]:
    """Lets an interrupt of a block say that nothing is lost: the door prints the notes of one."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note("what is done is kept, and the same command goes on from there")
        raise


@contextmanager
def spared_children() -> Iterator[None]:
    """Keeps processes that start in a block from the SIGINT of a terminal, which reaches all of its processes.

    Their parent ends them. A blocked signal stays blocked in children, where an ignored one may be asked for again.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handled(handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    """Sets handlers while a block runs; does nothing in other threads than the main one, where that is not allowed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(handler: Any, number: int, frame: FrameType | None) -> None:
    """Does what the handler before would have done with a signal."""
    if callable(handler):
        handler(number, frame)
    elif handler == signal.SIG_DFL:
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
