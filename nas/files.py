"""Files that are written completely or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex


def expand_path(path: Path) -> Path:
    """A path in which variables such as `$HOME`, and `~`, are replaced; nothing in it is run.

    Raises:
        ValueError: If a variable is not set, or the path is not absolute then.
    """
    for name in re.findall(r"\$\{?(\w+)", str(path)):
        if name not in os.environ:
            raise ValueError(f"{path} names the variable {name}, which is not set here")
    expanded = Path(os.path.expandvars(path.expanduser()))
    if not expanded.is_absolute():
        raise ValueError(f"{path} must be a path from the root, got {str(expanded)!r}")
    return expanded


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a draft file to write to, which replaces `path` when the block ends without an error.

    Other processes read the old file or the new one, never a part of one, even if this process is killed.

    Raises:
        OSError: If the file cannot be written; it names `path`, whatever the block raised, as does one for a file that
            the disk has no room for.
    """
    # In the same folder, as a rename is atomic only within a file system; with a random part, so that two processes
    # that write the same file have a draft each, and nobody can put a link to another file in its place.
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        if error.filename in (None, str(draft), draft):  # else it is about another file, which the block reads
            raise _write_error(error, path) from error
        raise
    finally:
        with suppress(OSError):  # a folder that cannot be written has no draft, and the error is raised already
            draft.unlink(missing_ok=True)


def _write_error(error: OSError, path: Path) -> OSError:
    """The same error with the name of the file, of which the system calls and libraries that write know nothing."""
    if error.errno is not None and error.strerror:
        return OSError(error.errno, error.strerror, str(path))
    return OSError(f"{path} could not be written: {error}")
