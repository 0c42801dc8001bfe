"""Code of users that jobs name as `package.module:function`: imported, and named with file and line where it raises."""

from __future__ import annotations

import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from search_spaces.quoting import cut, join_lines, quote

_REFERENCE = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_OWN = {"nas", "search_spaces", "predictors", "hardware", "results"}
_INSTALLED = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})
_ALWAYS_THERE = {"__main__", "contextlib", "typer", "click", "pydantic"}  # on the way of any error; spares a search
_OUR_FRAMES = 2  # of `user_code`, and of the block that it guards
_MOST_SAID = 500  # characters of the message of an error


class UserCodeError(ValueError):
    """What a user's code has raised; the message names the code, the error, and its file and line."""


def import_callable(reference: str, kind: str) -> Callable[..., Any]:
    """Imports what a reference names, from an installed package or from the current folder.

    Args:
        reference: `package.module:function`; the function may be a class, or lie in one.
        kind: What the callable is for, in singular and without article, such as `loss`.

    Raises:
        ValueError: If it is not written like that, there is no such module or name, or the name is none of a callable.
        UserCodeError: If the module raises while it is imported.
    """
    form = f"a {kind} is written as package.module:function, of an installed package or of the current folder"
    if not _REFERENCE.fullmatch(reference):
        raise ValueError(f"{form}; got {quote(reference)}")
    source, _, name = reference.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # as `python -m` would, but behind all that is installed
    with user_code(reference):
        try:
            found: Any = import_module(source)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{source}.".startswith(f"{error.name}."):
                raise  # the module is there, and imports another that is not
            raise _NotThere(f"{form}; {reference} cannot be imported ({error})") from error
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise ValueError(f"{form}; {reference} cannot be imported ({error})") from error
    if not callable(found):
        raise ValueError(f"a {kind} must be a callable, got {type(found).__name__} from {reference}")
    return found


@contextmanager
def user_code(reference: str) -> Iterator[None]:
    """Turns whatever a block raises, which calls a user's code, into one line: who raised what, in which line.

    Args:
        reference: `package.module:function` of the code.

    Raises:
        UserCodeError: Such as `examples.net:Net raised TypeError at examples/net.py:12: message`, if the block raises
            an error or ends the program; an interrupt passes, and so does an error that is named already.
    """
    try:
        yield
    except _NotThere as error:
        raise ValueError(*error.args) from error.__cause__
    except UserCodeError:
        raise
    except (Exception, SystemExit) as error:  # foreign code may raise any error
        place = _raised_at(error, reference) or _defined_at(reference)
        raise UserCodeError(_describe(reference, error, place)) from error


def describe_plug_in_error(error: Exception) -> str:
    """The line for an error that comes out of the code of a plug-in; empty for any other.

    Its code is called in so many places that only the traceback tells.
    """
    frames = [*traceback.walk_tb(error.__traceback__)]
    plug_ins = set[str]()
    if isinstance(error, UserCodeError) or {_owner(frame) for frame, _ in frames} <= _OWN | _ALWAYS_THERE:
        return ""
    for distribution in distributions():
        plug_ins |= {one.module.partition(".")[0] for one in distribution.entry_points if one.group.startswith("nas.")}
    for frame, line in reversed(frames):
        if (owner := _owner(frame)) in plug_ins:
            return _describe(owner, error, f"{_shown(frame.f_code.co_filename)}:{line}")
    return ""


def locate_error(error: BaseException, library: str) -> str:
    """File and line of the innermost frame that called a library, such as `net.py:12`; empty if there is none.

    Args:
        error: What the library has raised.
        library: Its package, whose frames are passed by, as are those of this distribution and of Python itself.
    """
    passed = {library} | _OWN | sys.stdlib_module_names
    for frame, line in reversed([*traceback.walk_tb(error.__traceback__)]):
        file = frame.f_code.co_filename
        if not file.startswith("<") and _owner(frame) not in passed:
            return f"{_shown(file)}:{line}"
    return ""


def _describe(code: str, error: BaseException, place: str) -> str:
    line = f"{code} raised {type(error).__name__}{f' at {place}' if place else ''}"
    said = cut(join_lines(str(error)), _MOST_SAID)
    return f"{line}: {said}" if said else line


class _NotThere(Exception):
    """A module that is not there is no fault of its code."""


def _raised_at(error: BaseException, reference: str) -> str:
    """File and line of the innermost frame in the user's code; empty if the error was raised outside of it."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}:{error.lineno}"
    package = re.split(r"[.:]", reference)[0]
    frames = [*traceback.walk_tb(_skip(error.__traceback__, _OUR_FRAMES))]
    for frame, line in reversed(frames):
        owner, file = _owner(frame), frame.f_code.co_filename
        installed = file.startswith(("<", *_INSTALLED)) or owner in _OWN
        if owner == package or not installed:
            return f"{_shown(file)}:{line}"
    return ""


def _owner(frame: FrameType) -> str:
    """The package of a frame's code."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _skip(trace: TracebackType | None, frames: int) -> TracebackType | None:
    for _ in range(frames):
        trace = None if trace is None else trace.tb_next
    return trace


def _defined_at(reference: str) -> str:
    """File and line in which the callable is defined, such as one that takes other arguments; empty if unknown."""
    source, _, name = reference.partition(":")
    found: Any = sys.modules.get(source)
    for part in name.split("."):
        found = getattr(found, part, None)
    try:
        found = inspect.unwrap(found)
        return f"{_shown(str(inspect.getsourcefile(found)))}:{inspect.getsourcelines(found)[1]}"
    except (OSError, TypeError, ValueError):  # of another language, or without a source
        return ""


def _shown(file: str) -> str:
    """The path of a file, from the current folder if it lies there."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
