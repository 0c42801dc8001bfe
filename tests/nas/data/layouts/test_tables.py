"""Tables in text files: what cells mean, and each mistake with its line."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nas.data.layouts.registry import read_path
from nas.data.layouts.tables import Tables
from nas.data.layouts.text_table import read_text_table
from nas.data.reading import Columns


def write(root: Path, content: str, name: str = "train.csv") -> Path:
    for picture in ("a.png", "b.png"):
        (root / picture).write_bytes(picture.encode())
    (root / name).write_text(content, encoding="utf-8")
    return root / name


@pytest.mark.parametrize(
    ("content", "columns", "expected"),
    [
        ("path,label\na.png,3\nb.png,-4\n", Columns(), [3, -4]),
        ("path,label\na.png,1\nb.png,01\n", Columns(), ["1", "01"]),
        ("path,label\na.png,1\nb.png,1_0\n", Columns(), ["1", "1_0"]),
        ("path,label\na.png,1e-3\nb.png,.5\n", Columns(), [1e-3, 0.5]),
        ('path;label\na.png;"[0, 2]"\nb.png;[]\n', Columns(), [[0, 2], []]),
        ("path,label\na.png,[x]\nb.png,y\n", Columns(), ["[x]", "y"]),
        ("\ufefffile;class\n\na.png;0.5\nb.png;2\n", Columns(), [0.5, 2.0]),
        ("path\tlabel\na.png\tx,y\nb.png\tz\n", Columns(), ["x,y", "z"]),
        ("path|label\na.png|x\nb.png|z\n", Columns(), ["x", "z"]),
        ("path,label,split\na.png,x,train\nb.png,z,train\n", Columns(), ["x", "z"]),
        ("Filename,Label,note\na.png,cat,\nb.png,7,x\n", Columns(), ["cat", "7"]),
        ("label,image\n,a.png\n1,b.png\n", Columns(), [None, 1]),
        ("p,x,y\na.png,1,0.5\nb.png,0,1\n", Columns("p", ("x", "y")), [[1, 0.5], [0, 1.0]]),
    ],
)
def test_columns_and_cells(tmp_path: Path, content: str, columns: Columns, expected: object) -> None:
    stored = Tables().read(write(tmp_path, content), columns)
    assert stored.train.labels.values == expected
    assert stored.train.read([1, 0]) == [b"b.png", b"a.png"]
    assert stored.names == (columns.labels or None)


def test_texts_and_labels(tmp_path: Path) -> None:
    path = write(tmp_path, 'text,label\n"two\nlines, quoted",1\nplain\u2028,0\n')
    train = Tables().read(path, Columns(text=True)).train
    assert train.read([0, 1]) == ["two\nlines, quoted", "plain\u2028"]
    assert train.where(1) == f"{path} line 4"
    lines = write(tmp_path, '{"text": "one", "label": 1}\n\n{"label": 0, "text": "two"}\n', "more.jsonl")
    assert Tables().read(lines, Columns(text=True)).train.read([0, 1]) == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\na.png,0\nmissing.png,1\n", r"train.csv line 3 names 'missing.png', which is not there"),
        ("path,label\n../a.png,0\n", "line 2 has a path that leaves the folder .*; write it as absolute path"),
        ("path,label\n.,0\n", "line 2 names '.', which is a folder"),
        ("path,label\n/dev/zero,0\n", "line 2 names '/dev/zero', which is a pipe or a device"),
        ("path,label\na\0.png,0\n", "must be a table with a header, got bytes of 0"),
        ("path,label\n ,0\n", "line 2 must have a path in column path"),
        ("path,label\na.png\n", "line 2 must have 2 cells as the header has, got 1"),
        ('path,label\n"a.png,0\n', "damaged"),
        ("path,path\na.png,0\n", "must have columns of different names, got path, path"),
        ("path,score\na.png,0\n", "must have a column label or .*, or data.label_column names one; it has path, score"),
        ("path,label\n", "has no rows below its header"),
        ("path;label\na.png;[0, 2]\nb.png;1\n", "must be all lists in JSON or none, got '\\[0, 2\\]' and '1'; write"),
        ("path;label\na.png;['cat', 'dog']\n", r'train.csv must be lists in JSON, such as \["cat", "dog"\], got'),
        ("", "must be a table with a header, got nothing"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        Tables().read(write(tmp_path, content), Columns())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "line 1 must be JSON"),
        ("[" * 100_000, "line 1 must be JSON"),
        ("[1]", "line 1 must be a JSON object"),
        ('{"text": "a", "label": 1}\n{"text": "b"}', "line 2 must be a JSON object with the keys text, label"),
        ('{"text": 7, "label": 1}', r"line 1 must have a text in column text, got 7"),
        ("\n", "must have a JSON object in each line, got nothing"),
    ],
)
def test_mistakes_in_json_lines(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tables().read(write(tmp_path, content, "train.jsonl"), Columns(text=True))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_of_several_splits_in_a_file_are_not_all_trained_on(tmp_path: Path, kind: str) -> None:
    if kind == "csv":
        write(tmp_path, "path,label,Usage\na.png,x,Training\nb.png,z,PublicTest\n", "all.csv")
    else:
        rows = {"image": [b"a", b"b"], "label": [0, 1], "split": ["train", "test"]}
        pq.write_table(pa.table(rows), tmp_path / "all.parquet")
    with pytest.raises(ValueError, match=r"all.* rows of several splits by its column (Usage|split) .*store a file"):
        read_path(tmp_path, Columns())


def test_an_unknown_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label\na.png,0\n")
    with pytest.raises(ValueError, match=r"has no column 'breed' \(data.label_column\), but path, label"):
        Tables().read(path, Columns(labels=("breed",)))


def test_the_limit_of_cells_is_that_of_the_process_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "x" * 200_000 + ",1\n", encoding="utf-8")
    before = csv.field_size_limit()
    read_text_table(tmp_path / "a.csv")
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("hidden", ["-1", ""])
def test_a_split_without_labels_is_left_out(tmp_path: Path, hidden: str) -> None:
    write(tmp_path, "path,label\na.png,0\nb.png,1\n")
    write(tmp_path, f"path,label\na.png,{hidden}\nb.png,{hidden}\n", "test.csv")
    stored = Tables().read(tmp_path, Columns())
    assert (stored.train.labels.values, stored.test) == ([0, 1], None)
    assert stored.notes == ("left out, as no label of it is known (all are -1 or missing): test",)
