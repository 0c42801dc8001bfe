"""How the program ends: whatever happens, in one line on standard error, and with an exit code that tells its kind."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer

from nas.interruption import Terminated, terminated_by_signal
from search_spaces.quoting import cut, join_lines, quote

WRONG, INTERNAL = 2, 70  # the user can put it right; a fault of the program, as in BSD's sysexits.h
CLOSED = 128 + signal.SIGPIPE  # as a shell tells it of a program whose reader has gone
_MOST = 1500  # characters of the line
_MOST_REPORT = 1 << 20  # characters of a report; messages of libraries may hold whole arrays
# In a URL: the user before the host, and options. A path leaves one slash of two, where a URL stands for a file.
# Whoever raises an error with one leaves them out, this is the fence.
_SECRETS = re.compile(r"(?<=:/)/?[^\s'\"/@]*:[^\s'\"]*@|(?<=pass=|.pwd=|oken=|word=|cret=)[^&\s'\"]+")
_NO_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|out of memory|bad_alloc|bad allocation", re.IGNORECASE
)

_UsageError: Any = typer.BadParameter.__base__  # of click or, in newer releases, of typer's own copy of it


@contextmanager
def ending() -> Iterator[None]:
    """Ends the program as its block ends.

    Exit codes: 0; 1 if a check of `nas verify` failed; 2 for bad input, and for what the user can put right; 70 for a
    fault of the program, of which a report is written; 130 and 143 after SIGINT and SIGTERM; 141 if nobody reads the
    output any more. With NAS_DEBUG=1 tracebacks are shown, too.

    Raises:
        SystemExit: Always.
    """
    for stream in (sys.stdout, sys.stderr):  # what a console cannot show must not stop a job
        with suppress(AttributeError):  # another program's stand-in for a stream
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        with terminated_by_signal():
            yield
            sys.stdout.flush()
        sys.exit(0)
    except typer.Exit as asked:
        sys.exit(asked.exit_code)
    except KeyboardInterrupt as error:
        _end_at_once(_say(error, *_describe_interrupt(error)))
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of libraries in Rust
            raise
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the very end
            sys.exit(CLOSED)
        sys.exit(_say(error, *_describe(error)))


@contextmanager
def running_job() -> Iterator[None]:
    """Lets a lack of memory while the block runs a job say what of a job would take less."""
    try:
        yield
    except Exception as error:
        if _lacks_memory(error):
            error.add_note("take fewer images, workers or a smaller batch at a time")
        raise


def _lacks_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None
    )


def _describe(error: BaseException) -> tuple[str, int]:
    """The line that an error ends in, and the exit code."""
    from nas.cli.engine import describe_lacking, find_lacking
    from nas.user_code import describe_plug_in_error

    if isinstance(error, ModuleNotFoundError) and (lacking := find_lacking()):
        return describe_lacking(lacking), WRONG
    if isinstance(error, _UsageError):
        return _describe_usage(error), WRONG
    if _lacks_memory(error):
        return "; ".join([f"not enough memory ({_in_words(error)})", *getattr(error, "__notes__", [])]), WRONG
    if isinstance(error, Exception) and (line := describe_plug_in_error(error)):
        return line, WRONG
    if isinstance(error, OSError):
        return _describe_os_error(error), WRONG
    if isinstance(error, UnicodeEncodeError):  # an argument in bytes of another encoding, handed to a library
        return f"text must be UTF-8, got {quote(error.object)}", WRONG
    if isinstance(error, ValueError):
        return _in_words(error), WRONG
    return f"internal error: {type(error).__name__}: {cut(_in_words(error), _MOST // 2)}; {_report(error)}", INTERNAL


def _describe_interrupt(error: KeyboardInterrupt) -> tuple[str, int]:
    terminated = isinstance(error, Terminated)
    said = "; ".join(["terminated" if terminated else "interrupted", *getattr(error, "__notes__", [])])
    return said, 128 + (signal.SIGTERM if terminated else signal.SIGINT)


def _describe_usage(error: Any) -> str:
    message = join_lines(error.format_message()).rstrip(".")
    help_of = f"; see: {error.ctx.command_path} --help" if error.ctx else ""
    return f"{message[:1].lower()}{message[1:]}{help_of}" if message else ""  # else the help is printed already


def _describe_os_error(error: OSError) -> str:
    """What failed, and with which file; libraries raise errors without the words of the system, or without a file."""
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) and error.filename else ""
    if isinstance(error, FileNotFoundError) and (place or not error.strerror):
        return f"{place or f'{_in_words(error)}: '}there is no such file or folder"
    if isinstance(error, IsADirectoryError | NotADirectoryError) and place and error.strerror:
        return f"{place}{error.strerror}; name another path"
    if error.strerror:
        return f"{place}{error.strerror}; put that right and start the same command again"
    if isinstance(error, PermissionError):
        return f"{_in_words(error)}: this may not be opened"
    return f"{place}{_in_words(error)}"


def _in_words(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__


def _report(error: BaseException) -> str:
    """Writes the traceback to a file that only its user can read, without the values of variables; says where."""
    import platform
    import tempfile
    import traceback
    from importlib.metadata import version

    system = f"nas {version('nas')}, Python {platform.python_version()}, {platform.platform()}"
    text = f"{system}\n\n{''.join(traceback.format_exception(error))}"
    try:
        descriptor, path = tempfile.mkstemp(".txt", "nas-report-")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123  # a descriptor
            file.write(cut(_without_secrets(text), _MOST_REPORT))
    except OSError as failed:
        return f"no report could be written ({failed.strerror}); NAS_DEBUG=1 shows it"
    return f"the report is in {path}"


def _say(error: BaseException, line: str, code: int) -> int:
    """Prints the line, if there is one, and returns the exit code."""
    if os.environ.get("NAS_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if line:
        shown = join_lines(line)
        with suppress(OSError):  # nobody reads that either
            print(f"nas: {cut(_without_secrets(shown), _MOST)}", file=sys.stderr, flush=True)
    return code


def _without_secrets(text: str) -> str:
    return _SECRETS.sub(lambda found: "/" * found[0].startswith("/") + "***" + "@" * found[0].endswith("@"), text)


def _nobody_reads() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):  # standard output is no file
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _end_at_once(code: int) -> None:
    """Ends the program without waiting for threads that still measure: nothing that they find would be kept."""
    others = [one for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon]
    if others:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
