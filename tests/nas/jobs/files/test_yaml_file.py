"""YAML as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.jobs.files.yaml_file import read_yaml


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-3", 1e-3), ("5E2", 500.0), (".5e1", 5.0), ("-2.e-1", -0.2), ("1.5e+2", 150.0), ("7", 7), ("0.1", 0.1)],
)
def test_numbers_are_numbers(text: str, number: float, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"value: {text}\n")
    assert read_yaml(tmp_path / "a.yaml") == {"value": number}


def test_a_mapping_may_take_over_another(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("base: &base {x: 1, y: 2}\nmore: {<<: *base, y: 3}\n")
    assert read_yaml(tmp_path / "a.yaml")["more"] == {"x": 1, "y": 3}


@pytest.mark.parametrize("text", ["w8a8", "1e", "e3", "12e3x", "3 | 5"])
def test_text_stays_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"value: {text}\n")
    assert read_yaml(tmp_path / "a.yaml") == {"value": text}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a: 1\nb: {x: 1, x: 2}\n", "key 'x' stands twice; keep one"),
        ("a: [1\n", "is not YAML"),
        ("a: !!map [b]\n", "expected a mapping node"),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(document: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(document)
    with pytest.raises(ValueError, match=message) as caught:
        read_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)
