"""Interrupts end the program: at once, or at the end of what must not be cut in two."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from nas.interruption import Terminated, deferred_interrupts, resumable, spared_children, terminated_by_signal

pytestmark = pytest.mark.usefixtures("heard_interrupts")


def send(number: int) -> None:
    """A signal to this process, as the system would; its handler runs in this thread before the next line does."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_deferred_interrupt_is_raised_at_the_end_of_its_block(number: int, error: type[BaseException]) -> None:
    done, before = list[bool](), signal.getsignal(signal.SIGTERM)

    def work() -> None:
        with terminated_by_signal(), deferred_interrupts() as interrupted:
            done.append(interrupted())
            send(number)
            done.append(interrupted())

    with pytest.raises(error) as raised:
        work()
    assert type(raised.value) is error
    assert done == [False, True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_interrupt_does_not_wait() -> None:
    done = list[str]()

    def work() -> None:
        with deferred_interrupts():
            send(signal.SIGINT)
            done.append("first")
            send(signal.SIGINT)
            done.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first"]


def test_a_block_that_fails_fails_as_without_an_interrupt() -> None:
    def work() -> None:
        with deferred_interrupts():
            send(signal.SIGINT)
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        work()


def test_threads_are_left_alone() -> None:
    found: list[bool] = []

    def work() -> None:
        with terminated_by_signal(), deferred_interrupts() as interrupted:
            found.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_an_interrupt_says_how_to_go_on() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, resumable():
        raise KeyboardInterrupt
    assert raised.value.__notes__ == ["what is done is kept, and the same command goes on from there"]


def test_children_do_not_see_the_interrupt_of_a_terminal() -> None:
    with spared_children():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
