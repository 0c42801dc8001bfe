"""What arrives on a cluster is what lies in a folder, or nothing is sent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from nas.jobs.cluster.package import LIMIT, write_package


def _folder(root: Path) -> Path:
    """A folder with all that packing rules would leave out or change."""
    folder = root / "photos"
    for name in (".git", "__pycache__", "cats", "dögs ", "empty/below"):
        (folder / name).mkdir(parents=True)
    for name in (".gitignore", ".rayignore", "cats/.gitignore"):
        (folder / name).write_text("*\n!*/\n")
    for name in ("a.png", ".git/b", "__pycache__/c.pyc", "cats/d\u202fe.png", "dögs /new\nline.png", ".hidden"):
        (folder / name).write_text(name)
    (folder / ".hidden").chmod(0o600)
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "f.png").write_text("linked")
    (folder / "linked").symlink_to(root / "elsewhere")
    (folder / "g.png").symlink_to(root / "elsewhere" / "f.png")
    return folder


def _content(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Modes and contents of the files below a folder by their names; an empty folder has a name alone."""
    found: dict[str, tuple[int, bytes]] = {}
    for top, folders, files in os.walk(folder, followlinks=True):
        place = Path(top)
        found |= {
            str((place / name).relative_to(folder)): ((place / name).stat().st_mode, (place / name).read_bytes())
            for name in files
        }
        found |= {} if folders or files else {str(place.relative_to(folder)): (0, b"")}
    return found


def test_a_folder_arrives_as_it_is(tmp_path: Path) -> None:
    folder, package = _folder(tmp_path), tmp_path / "package.zip"
    write_package(package, {"job.yaml": "name: mine"}, {"sent.1/photos": folder, "sent.2/a.png": folder / "a.png"})
    packaging = pytest.importorskip("ray._private.runtime_env.packaging")
    there = tmp_path / "there"
    packaging.unzip_package(str(package), str(there), remove_top_level_directory=False, unlink_zip=False)
    assert _content(there / "sent.1" / "photos") == _content(folder)
    assert (there / "sent.2" / "a.png").read_text() == "a.png"
    assert (there / "job.yaml").read_text() == "name: mine"
    assert stat.S_IMODE((there / "job.yaml").stat().st_mode) == 0o600


def test_equal_content_is_an_equal_package(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    write_package(tmp_path / "one.zip", {}, {"a": folder})
    os.utime(folder / "a.png", (0, 0))
    write_package(tmp_path / "two.zip", {}, {"a": folder})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_limit_is_that_of_the_archive_and_known_before_it_is_written(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE

    assert LIMIT == DASHBOARD_CLIENT_MAX_SIZE
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number}.png").touch()
    with (folder / "large").open("wb") as file:
        file.truncate(LIMIT - (1 << 20) - 300 * 120)  # a hole, which takes no place on the disk
    with pytest.raises(
        ValueError, match=r"takes 100 MiB of files at once, and with .*more.*leave out --ship-data"
    ) as told:
        write_package(tmp_path / "package.zip", {}, {"sent.1/many": folder, "sent.2/again": folder})
    assert str(folder) in str(told.value)
    assert not (tmp_path / "package.zip").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: (folder / "link").symlink_to("nothing"), "link is to be sent .* is a link to nothing"),
        (lambda folder: (folder / "link").symlink_to(folder.parent), "is a link to a folder that it lies in"),
        (lambda folder: os.mkfifo(folder / "pipe"), "pipe is to be sent .* is a pipe or a device"),
        (lambda folder: (folder / "a\\b").touch(), "Ray unpacks no such name; rename it"),
        (lambda folder: Path(os.fsdecode(bytes(folder) + b"/\xff")).touch(), r"\\udcff' is to be sent .*; rename it"),
    ],
)
def test_what_would_be_lost_is_refused(make: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    make(tmp_path / "photos" / "cats")  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        write_package(tmp_path / "package.zip", {}, {"sent.1/photos": tmp_path / "photos"})
    assert not (tmp_path / "package.zip").exists()
