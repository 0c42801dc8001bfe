"""The folders of stages: what a finished stage left there is believed only as long as it is what the stage wrote.

The manifest of a folder, `finished.json`, names its finished files with their sizes and digests, and is written last.
It is compared with them at every use: no name of a file says that a stage is done, and what is damaged is neither used
nor made anew without a word. Independent of what the stages are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from hardware.document import Document, make_document
from hardware.input_file import read_text
from nas.files import atomic_write
from nas.jobs.job_runs import digest_file
from search_spaces.file_kind import find_file_kind
from search_spaces.quoting import describe_error

MANIFEST = "finished.json"
_MOST_BYTES = 1 << 20  # of a manifest: thousands of files

_Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$")]  # of a file in this folder


class _File(Document):
    bytes: Annotated[int, Field(ge=0)]
    sha256: _Digest


class _Manifest(Document):
    """What `finished.json` says.

    Attributes:
        format: The format, which is always the same.
        program: Version of the program that wrote it.
        files: Size and digest of every finished file, by its name.
        about: What else is to be known of the files, which nothing reads back.
        sha256: The digest of all of this.
    """

    format: Literal[1] = 1
    program: str
    files: dict[_Name, _File]
    about: dict[str, Any]
    sha256: _Digest


@dataclass(frozen=True)
class StageFolder:
    """The folder of a stage, with its manifest.

    Attributes:
        path: The folder, which may not be there yet.
    """

    path: Path

    def list_files(self) -> frozenset[str]:
        """Names of the finished files by the manifest, which are not looked at; none if there is no manifest.

        Raises:
            ValueError: If the manifest is damaged.
        """
        return frozenset(self._read().files)

    def check(self) -> frozenset[str]:
        """Names of the finished files, after all of them were compared with the manifest.

        Raises:
            ValueError: If the manifest is damaged, or a file of it is missing or not what was written.
        """
        files = self._read().files
        for name, expected in files.items():
            if why := _find_damage(self.path / name, expected):
                raise ValueError(f"{self.path / name} {why}, by {self.path / MANIFEST}; {self._remedy}")
        return frozenset(files)

    def holds(self, *names: str) -> bool:
        """Whether the stage finished these files, after all files were compared; see `check`.

        Args:
            names: Names of files in the folder.
        """
        return self.check() >= {*names}

    def record(self, *names: str, about: Mapping[str, Any] | None = None) -> None:
        """Adds finished files to the manifest, after they were written.

        Args:
            names: Names of files in the folder.
            about: What else is to be known of them, as values of JSON.

        Raises:
            ValueError: If the manifest is damaged.
            OSError: If a file cannot be read, or the manifest not be written.
        """
        found = {name: _describe(self.path / name) for name in names}
        before = self._read()
        files = {name: file.model_dump() for name, file in before.files.items()} | found
        content = {"format": 1, "program": version("nas"), "files": files, "about": {**before.about, **(about or {})}}
        with atomic_write(self.path / MANIFEST) as draft:
            draft.write_text(json.dumps({**content, "sha256": _digest(content)}, indent=1), encoding="utf-8")

    def refuse_unrecorded(self, name: str) -> ValueError:
        """The error for a file that lies in the folder and is in no manifest, where it cannot be made anew lightly.

        Args:
            name: Name of the file.
        """
        return ValueError(
            f"{self.path / name} is there without {self.path / MANIFEST}, which says it whole; {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        return (
            f"put back what was there, or delete {self.path} and start the same command again, which makes all of it "
            "anew"
        )

    def _read(self) -> _Manifest:
        path = self.path / MANIFEST
        try:
            document = json.loads(read_text(path, _MOST_BYTES))
            manifest = make_document(document, _Manifest)
            digest = document.pop("sha256")
            if digest != _digest(document):
                raise ValueError("its digest is that of something else")
        except FileNotFoundError:
            return _Manifest(program="", files={}, about={}, sha256="0" * 64)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is damaged ({describe_error(error)}); {self._remedy}") from error
        return manifest


def _describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest_file(path)}


def _find_damage(path: Path, expected: _File) -> str:
    """Why a file is not what was written; empty if it is."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "is missing"
    if (kind := find_file_kind(found)) != "a file":
        return f"is {kind}"
    if found.st_size != expected.bytes:
        return f"is damaged: it has {found.st_size:,} bytes, and had {expected.bytes:,} when it was finished"
    if digest_file(path) != expected.sha256:
        return "is damaged or was changed: its content is not what it was when it was finished"
    return ""


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
