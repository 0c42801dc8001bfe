"""Names to entries: those of this project, and those that other packages add by entry points.

Independent of what is registered: spaces, searchers, predictors, metrics and all else are registries of this one kind.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

from search_spaces.quoting import quote

Entry = TypeVar("Entry")


def unknown_name_error(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a name that is not known, with the one message for it.

    Args:
        kind: The kind of entry that has such names, in singular.
        name: The unknown name.
        known: The names that are known.
    """
    return ValueError(f"unknown {kind} {quote(name)}; known {kind}s: {', '.join(known) or 'none yet'}")


@dataclass(frozen=True)
class Located:
    """The place of an entry that is imported only when its name is asked for.

    Attributes:
        module: Full name of the module.
        name: Name of the entry in the module.
    """

    module: str
    name: str


class Registry(Mapping[str, Entry], Generic[Entry]):
    """A mapping of names to entries, which other packages extend.

    A package adds an entry by an entry point of the group `nas.` and the kind in plural, such as `nas.searchers`. The
    entry is imported only when its name is asked for.

    Args:
        kind: Kind of the entries, in singular, such as `searcher`.
        entries: The entries of this project, or their places, in the order in which they are listed.
        accepts: Tells whether an object that a package adds can be an entry.
    """

    def __init__(
        self, kind: str, entries: Mapping[str, Entry | Located], accepts: Callable[[object], bool] = callable
    ) -> None:
        self.kind = kind
        self._entries, self._accepts = dict(entries), accepts

    def __getitem__(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
            ValueError: If the name is unknown, or if the object that a package adds under it cannot be imported or is
                not accepted as an entry.
        """
        if name in self._entries:
            entry = self._entries[name]
            return getattr(import_module(entry.module), entry.name) if isinstance(entry, Located) else entry
        added = self._added()
        if name not in added:
            raise unknown_name_error(self.kind, name, self)
        return self._loaded(added[name])

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._added()

    def __iter__(self) -> Iterator[str]:
        return iter([*self._entries, *sorted(self._added())])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def check_name(self, name: str) -> str:
        """Returns the name if the registry has it; a validator of settings.

        Raises:
            ValueError: If the registry has no such name; the known ones are listed.
        """
        if name not in (names := list(self)):
            raise unknown_name_error(self.kind, name, names)
        return name

    def find_package(self, name: str) -> str:
        """Name and version of the package that adds an entry, such as `my_package 1.2`; empty for entries of this one.

        Raises:
            ValueError: If the name is unknown.
        """
        self.check_name(name)
        point = None if name in self._entries else self._added()[name]
        return f"{point.dist.name} {point.dist.version}" if point is not None and point.dist is not None else ""

    @property
    def group(self) -> str:
        """Name of the group of entry points by which packages add entries."""
        return f"nas.{self.kind.replace(' ', '_')}s"

    def _added(self) -> dict[str, EntryPoint]:
        """The entry points of other packages by name. Finding them takes 15 ms, so it is done as late as possible."""
        added: dict[str, EntryPoint] = {}
        for point in _entry_points(self.group, tuple(sys.path)):
            if point.name in self._entries or point.name in added:
                raise ValueError(
                    f"{self.kind} {point.name!r} of {_package(point)} must have a name of its own, and there is one; "
                    "rename it in that package"
                )
            added[point.name] = point
        return added

    def _loaded(self, point: EntryPoint) -> Entry:
        """Imports the entry of an entry point; raises ValueError if that fails or the object is not accepted."""
        what = f"{self.kind} {point.name!r} of {_package(point)}"
        try:
            entry = point.load()
        except Exception as error:  # whatever the import of a foreign module raises
            raise ValueError(
                f"{what} must be importable: {type(error).__name__}: {' '.join(str(error).split())}"
            ) from error
        if not self._accepts(entry):
            raise ValueError(f"{what} must be what group {self.group} asks for, got {type(entry).__name__}")
        return entry


@lru_cache(maxsize=32)
def _entry_points(group: str, _path: tuple[str, ...]) -> EntryPoints:
    """The entry points of a group in all packages on the path; cached, as a job asks its registries again and again."""
    from importlib.metadata import entry_points

    return entry_points(group=group)


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name!r}" if point.dist else "an unknown package"
