"""Tar files are read as far as they are whole; nothing in them is a path, and no member is read beyond its file."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from nas.data.layouts.tar_shards import TarShards
from nas.data.reading import Columns


def write(path: Path, members: dict[str, bytes], links: tuple[str, ...] = ()) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    return path


@pytest.mark.parametrize(
    ("label", "columns", "expected"),
    [
        ({"cls": b"3\n"}, Columns(), 3),
        ({"txt": b"tabby cat"}, Columns(), "tabby cat"),
        ({"txt": b"[0, 2]"}, Columns(), [0, 2]),
        ({"json": b'{"label": "cat", "score": 0.5}', "txt": b"a caption"}, Columns(), "cat"),
        ({"json": b'{"label": "cat", "score": 0.5}'}, Columns(labels=("score",)), 0.5),
        ({"json": b'{"a": 1, "b": 0}'}, Columns(labels=("a", "b")), [1, 0]),
        ({"cls": b"3", "age.cls": b"41"}, Columns(labels=("age.cls",)), 41),
    ],
)
def test_labels_are_members_of_the_same_key(
    tmp_path: Path, label: dict[str, bytes], columns: Columns, expected: object
) -> None:
    members = {"a/0.v1.JPG": b"picture"} | {f"a/0.{end}": content for end, content in label.items()}
    members |= {"._0.jpg": b"macOS", "README": b"notes"}
    stored = TarShards().read(write(tmp_path / "x.tar", members), columns)
    assert stored.train.labels.values == [expected]
    assert stored.train.read([0]) == [b"picture"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"0.jpg": b"x"}, r"sample 0 must have a label, .cls, .json or .txt, got only .jpg"),
        ({"0.cls": b"1"}, r"sample 0 must have one input, such as .jpg, got .cls"),
        (
            {"0.jpg": b"x", "0.png": b"x", "0.cls": b"1"},
            r"must have one input, such as .jpg, got .jpg, .png; data.input",
        ),
        ({"0.jpg": b"x", "0.json": b"{"}, "sample 0 has damaged JSON"),
        ({"0.jpg": b"x", "0.json": b'{"score": 1}'}, "must have label in its JSON, or data.label_column names it"),
        ({"0.jpg": b"x", "0.cls": b"\xff"}, "must be text in UTF-8"),
        ({}, "holds no samples"),
    ],
)
def test_samples_that_lack_a_part_are_named(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        TarShards().read(write(tmp_path / "train-0.tar", members), Columns())
    assert str(tmp_path / "train-0.tar") in str(refused.value)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "x.tar", {"0.jpg": b"x" * 700, "0.cls": b"1"}).read_bytes()
    path = tmp_path / "train.tar"
    cut = {10: "not a readable tar", 600: "cut off", 1536: "cut off", len(whole) - 10240: "not a readable|cut off"}
    for size, message in cut.items():
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=message):
            TarShards().read(path, Columns())
    path.write_bytes(whole[:1536] + b"\1" + whole[1537:])
    with pytest.raises(ValueError, match="no end of the archive"):
        TarShards().read(path, Columns())
    path.write_bytes(whole + whole)
    with pytest.raises(ValueError, match=r"must end after its last member, .* as if tar files were joined by cat"):
        TarShards().read(path, Columns())
    path.write_bytes(whole + bytes(10240))
    assert len(TarShards().read(path, Columns()).train) == 1
    write(path, {"0.jpg": b"x", "0.cls": b"1"}, links=("1.jpg",))
    with pytest.raises(ValueError, match=r"must hold plain files, got a link or another kind: 1\.jpg"):
        TarShards().read(path, Columns())


def test_a_file_that_shrinks_while_it_is_read_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "train.tar", {"0.jpg": b"x" * 9000, "0.cls": b"1"})
    records = TarShards().read(path, Columns()).train
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="has been changed or cut since it was listed"):
        records.read([0])


def test_compressed_shards_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "train-000.tar.gz").write_bytes(b"")
    assert TarShards().recognizes(tmp_path)
    with pytest.raises(ValueError, match=r"must not be compressed.*decompress it"):
        TarShards().read(tmp_path, Columns())
