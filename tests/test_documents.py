"""What documents tell people to type exists: commands, their options, keys of jobs, and files that are linked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import yaml
from pydantic import BaseModel

from nas.cli.main import app
from nas.jobs.files.job import Job

HOUSE = Path(__file__).parents[1]
DOCUMENTS = [HOUSE / "README.md", HOUSE / "CONTRIBUTING.md", *sorted((HOUSE / "docs").glob("*.md"))]
FILE = Job.model_fields
SECTIONS = FILE.keys() - {"name", "seed"}  # these two stand in other files, too


def blocks(document: Path, language: str) -> Iterator[str]:
    """The fenced blocks of a language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.S | re.M)


def commands(document: Path) -> list[list[str]]:
    """The words of every `nas` command in a fenced block, without what a comment adds."""
    lines = [line.strip() for block in blocks(document, "(?:[a-z]*)") for line in block.splitlines()]
    return [shlex.split(line.removeprefix(".venv/bin/"), comments=True) for line in lines if _is_command(line)]


def _is_command(line: str) -> bool:
    return re.match(r"(\.venv/bin/)?nas [a-z]", line) is not None and "|" not in line and "---" not in line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_their_options_exist(document: Path) -> None:
    for _, *words in commands(document):
        found: Any = typer.main.get_command(app)
        while words and hasattr(found, "commands"):
            name = words.pop(0)
            assert name in found.commands, f"nas {name} in {document.name}"
            found = found.commands[name]
        known = {option for parameter in found.params for option in parameter.opts}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= known, f"{document.name}: {found.name} has no {used - known}"


def keys(section: Any) -> dict[str, Any]:
    """The keys of a section, and the sections below them."""
    parts = [part for part in (section, *get_args(section)) if isinstance(part, type) and issubclass(part, BaseModel)]
    return {name: field.annotation for part in parts for name, field in part.model_fields.items()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_keys_of_jobs_exist(document: Path) -> None:
    for block in blocks(document, "yaml"):
        shown = yaml.safe_load(block)
        if not isinstance(shown, dict) or not set(shown) & SECTIONS:
            continue  # a file of another kind
        assert set(shown) <= set(FILE), f"{document.name}: {set(shown) - set(FILE)}"
        for name, section in shown.items():
            known = keys(FILE[name].annotation)
            if isinstance(section, dict) and known:
                assert set(section) <= set(known), f"{document.name}: {name} has no {set(section) - set(known)}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    prose = re.sub(r"^```.*?^```|`[^`]*`", "", document.read_text(encoding="utf-8"), flags=re.S | re.M)
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", prose)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_there_is_something_to_hold_documents_to() -> None:
    assert len(commands(HOUSE / "README.md")) > 10
    assert sum(1 for document in DOCUMENTS for _ in blocks(document, "yaml")) > 5
