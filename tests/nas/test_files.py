"""Files that are written whole or not at all, and paths with variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.files import atomic_write, expand_path


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def write_badly() -> None:
        with atomic_write(file) as draft:
            draft.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_badly()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device: '{file}'"),
        (OSError("Error writing bytes to file"), "{file} could not be written: Error writing bytes to file"),
        (OSError(2, "No such file or directory", "other"), "[Errno 2] No such file or directory: 'other'"),
    ],
)
def test_an_error_of_writing_names_the_file(error: OSError, said: str, tmp_path: Path) -> None:
    with pytest.raises(OSError) as raised, atomic_write(tmp_path / "file"):  # noqa: PT011  # compared below
        raise error
    assert str(raised.value) == said.format(file=tmp_path / "file")


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "within", tmp_path / "none" / "within", tmp_path / ("n" * 300)):
        with pytest.raises(OSError) as raised, atomic_write(path) as draft:  # noqa: PT011  # any, if it names the file
            draft.write_text("text")
        assert raised.value.filename == str(path)


def test_variables_in_a_path_are_replaced_and_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("PLACE", "a b")
    for text in ("$HOME/a b", "${HOME}/$PLACE", "~/a b", "/home/me/a b"):
        assert expand_path(Path(text)) == Path("/home/me/a b")
    assert expand_path(Path("/runs/$(touch ran)`touch ran`")) == Path("/runs/$(touch ran)`touch ran`")
    with pytest.raises(ValueError, match=r"\$NOWHERE/runs names the variable NOWHERE, which is not set here"):
        expand_path(Path("$NOWHERE/runs"))
    with pytest.raises(ValueError, match="must be a path from the root, got 'a b/runs'"):
        expand_path(Path("$PLACE/runs"))
