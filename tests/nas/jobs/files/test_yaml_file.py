"""YAML as people write it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.jobs.files.yaml_file import read_yaml


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-3", 1e-3),
        ("5E2", 500.0),
        (".5e1", 5.0),
        ("-2.e-1", -0.2),
        ("1.5e+2", 150.0),
        ("7", 7),
        ("0.1", 0.1),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("0", 0),
        ("1_000", 1000),
        ("0o17", 15),
        ("0x1F", 31),
        ("-.inf", -math.inf),
        ("!!float 7", 7.0),
    ],
)
def test_numbers_are_numbers(text: str, number: float, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"value: {text}\n")
    assert read_yaml(tmp_path / "a.yaml") == {"value": number}


def test_a_mapping_may_take_over_another(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("base: &base {x: 1, y: 2}\nmore: {<<: *base, y: 3}\n")
    assert read_yaml(tmp_path / "a.yaml")["more"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    "text",
    ["w8a8", "1e", "e3", "12e3x", "3 | 5", "010", "1:30", "1:30.5", "2001-13-45", "2001-01-01", "_1", "=", ".e1"],
)
def test_text_stays_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"value: {text}\n")
    assert read_yaml(tmp_path / "a.yaml") == {"value": text}


def test_an_alias_stands_for_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfbits: &bits [w8a8, w4a8]\nrules: [{bits: *bits}, {bits: *bits}]\n")
    assert read_yaml(tmp_path / "a.yaml")["rules"] == [{"bits": ["w8a8", "w4a8"]}] * 2


LAUGHS = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else 'x'] * 9)}]\n" for n in range(12))
MERGED = "".join(f"b{n}: &b{n} {{<<: [{', '.join([f'*b{n - 1}'] * 9 if n else ['{x: 1}'])}]}}\n" for n in range(12))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a: 1\nb: {x: 1, x: 2}\n", "key 'x' stands twice; keep one"),
        ("a: [1\n", "is not YAML"),
        ("a: !!map [b]\n", "expected a mapping node"),
        (LAUGHS, "more than 20,000 values"),
        (MERGED, "more than 20,000 values"),
        ("a: &a [*a]\n", r"\*a would hold itself"),
        ("[" * 100_000, "more than 30 levels"),
        ("- " * 100_000, "more than 30 levels"),
        ("? " * 100_000, "more than 30 levels"),
        ("".join(f"k{number}: 1\n" for number in range(20_000)), "more than 20,000 values"),
        ("a: " + "x" * 300_000, "bytes; a file of its kind has 262,144 at most"),
        ("x: *" + "y" * 200_000, "undefined alias"),
        ("a: !!timestamp foo\n", "this is no timestamp"),
        ("a: !!timestamp 2001-13-45\n", "this is no timestamp"),
        ("a: !!int ''\n", "this is no int"),
        ("a: !!bool maybe\n", "this is no bool"),
        (f"a: {'9' * 5000}\n", "this is no int"),
        ('a: "\\UFFFFFFFF"\n', "is not YAML"),
        ("a: \0\n", "is not YAML"),
        ("? [a]\n: 1\n", "unhashable key"),
        ("1: a\n0x1: b\n", "key '0x1' stands twice"),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(document: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(document)
    with pytest.raises(ValueError, match=message) as caught:
        read_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "must be a file, got a pipe"),
        (Path.mkdir, "must be a file, got a folder"),
        (lambda path: path.write_text("a: 1", encoding="utf-16"), "must be text in UTF-8"),
    ],
    ids=["pipe", "folder", "utf-16"],
)
def test_what_is_no_text_is_refused(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    make(tmp_path / "a.yaml")
    with pytest.raises(ValueError, match=message):
        read_yaml(tmp_path / "a.yaml")
