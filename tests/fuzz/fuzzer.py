"""The fuzzer: what becomes of mutated inputs of a format, within bounds of time and memory.

It knows no format. Those are in `formats`, each with a maker of valid input and the reader of it.
"""

from __future__ import annotations

import gc
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

SECONDS = 20.0  # in which a reader must have answered
BYTES = 2 << 30  # which no small input may cost
_OWN = ("nas", "results", "hardware", "predictors", "search_spaces")
_MOST_SAID = 2000  # characters of a refusal

Outcome = Literal["refused", "accepted", "nonsense", "traceback", "hang", "memory", "unclear"]
SOUND: tuple[Outcome, ...] = ("refused", "accepted")

# Writes an input that a generator mutates, or the valid one for None; gives what reads it.
Attempt: TypeAlias = Callable[[Random | None], Callable[[], object]]


class Nonsense(Exception):
    """Raised by the reader of a format whose input was accepted though it cannot be right."""


class _Late(BaseException):
    """Not an Exception: no reader may take it for a fault of its file."""


def require(holds: bool, what: str) -> None:
    """Says that what was accepted is nonsense, unless something holds.

    Raises:
        Nonsense: If it does not hold.
    """
    if not holds:
        raise Nonsense(what)


@dataclass(frozen=True)
class Format:
    """A form of input that users hand over.

    Attributes:
        kind: Forms of one kind share a row of the table.
        prepare: Makes valid input in a folder; gives what mutates and reads it.
        weight: How many tries it gets for one of another form: less than 1 where a try is slow.
        names_file: Whether a refusal names a file of the folder.
    """

    kind: str
    prepare: Callable[[Path], Attempt]
    weight: float = 1.0
    names_file: bool = True


@dataclass(frozen=True)
class Tried:
    """What became of one input.

    Attributes:
        seed: Of its mutations; None is the valid input.
        outcome: What became of it.
        line: What was said.
    """

    seed: int | None
    outcome: Outcome
    line: str = ""


def fuzz(form: Format, seeds: Iterable[int | None], folder: Path) -> Iterator[Tried]:
    """Tries the inputs of some seeds.

    Args:
        form: What is fuzzed.
        seeds: A seed for each input; None is the valid one.
        folder: An empty folder to work in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    attempt, held = form.prepare(folder), _peak()
    for seed in seeds:
        read = attempt(None if seed is None else Random(seed))
        outcome, line = _read(read)
        if outcome == "refused" and (why := _find_unclear(line, folder if form.names_file else None)):
            outcome, line = "unclear", f"{why}: {line!r}"
        if _peak() - held > BYTES:
            outcome, held = "memory", _peak()
        yield Tried(seed, outcome, line)


def find_refusal(read: Callable[[], object]) -> str | None:
    """Calls a reader, and gives the line with which it refuses its file; None if it takes it.

    Raises:
        AssertionError: If the reader fails otherwise, or answers late, in many words or with many bytes.
    """
    outcome, line = _read(read)
    if outcome == "refused" and (why := _find_unclear(line, None)):
        raise AssertionError(f"{why}: {line[:300]!r}")
    assert outcome in SOUND, f"{outcome}: {line}"
    return line if outcome == "refused" else None


def _read(read: Callable[[], object]) -> tuple[Outcome, str]:
    try:
        with _bounded():
            read()
    except _Late:
        return "hang", ""
    except Nonsense as found:
        return "nonsense", str(found)
    except MemoryError as error:
        return "memory", repr(error)
    except (ValueError, OSError) as error:
        if _is_raw(error):
            return "unclear", f"{type(error).__name__} as a library raised it: {error}"
        if isinstance(error, ValueError):
            return "refused", str(error)
        return "refused", " ".join(f"{error.filename or ''} {error.strerror or error}".split())
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of libraries in Rust
            raise
        if isinstance(error, AssertionError) and _is_of_tests(error):
            raise
        return "traceback", f"{type(error).__name__}: {str(error)[:300]}"
    return "accepted", ""


def _is_of_tests(error: AssertionError) -> bool:
    """Whether a test checks in its reader what that has read."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and Path(frame.tb_frame.f_code.co_filename).name.startswith("test_")


def _is_raw(error: Exception) -> bool:
    """Whether nobody said what an error of a library or of the interpreter means for the input."""
    return isinstance(error, UnicodeError) or type(error).__module__.split(".")[0] not in {"builtins", *_OWN}


def _find_unclear(line: str, folder: Path | None) -> str:
    """Why a refusal is not one clear line; empty if it is."""
    if not line.strip():
        return "it says nothing"
    if len(line) > _MOST_SAID:
        return f"it has {len(line)} characters"
    if not line.isprintable():
        return "it cannot be printed in a line"
    if folder is not None and str(folder) not in line:
        return "it names no file"
    return ""


@contextmanager
def _bounded() -> Iterator[None]:
    """Within the block, more time or memory than a small input may cost ends it."""
    gc.collect(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    before = signal.signal(signal.SIGALRM, _end_late)
    used = _data()
    if used is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (used + BYTES, hard))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _end_late(*_: object) -> None:
    raise _Late


def _data() -> int | None:
    """Bytes of this process that count for its limit; None where the system does not tell."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[5]) * resource.getpagesize() if pages.exists() else None


def _peak() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
