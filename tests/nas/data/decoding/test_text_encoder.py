"""Texts become tokens of one length by the rules of a tokenizer's file, and what is wrong with it is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.data.decoding.text_encoder import TextEncoder
from nas.data.reading import Columns, Reading, TextReading
from nas.data.sources import DataSource

pytest.importorskip("tokenizers")
WORDS = ["[UNK]", "[PAD]", "[CLS]", "good", "bad", "film"]


def write_tokenizer(path: Path, words: list[str] = WORDS, **rules: Any) -> Path:
    """A file of a tokenizer that splits at blanks, and begins texts with [CLS] where that is a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if "[CLS]" in words:
        tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A", special_tokens=[("[CLS]", 2)])
    if rules:
        tokenizer.enable_padding(**rules)
    tokenizer.save(str(path))
    return path


def encode(path: Path, text: str, pad: int | None = None) -> list[int]:
    return TextEncoder.of(TextReading(str(path), 5, pad)).decode(text, "row 0").tolist()


def test_texts_are_cut_and_filled_up(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path / "tokenizer.json")
    encoder = TextEncoder.of(TextReading(str(path), 5))
    assert (encoder.shape, encoder.pad, encoder.vocabulary) == ((5,), 1, 6)
    assert encode(path, "good film") == [2, 3, 5, 1, 1]
    assert encode(path, "good film good unheard bad") == [2, 3, 5, 3, 0]
    assert encode(path, "") == [2, 1, 1, 1, 1]


def test_the_rules_of_the_file_count_and_those_of_the_job_before(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path / "t.json", direction="left", pad_id=4, pad_token="bad")
    assert encode(path, "film") == [4, 4, 4, 2, 5]
    assert encode(path, "film", pad=0) == [0, 0, 0, 2, 5]


@pytest.mark.parametrize(
    ("content", "pad", "message"),
    [
        ("", None, "must be a file of the library tokenizers"),
        ("{}", None, "must be a file of the library tokenizers"),
        ("[" * 10_000, None, "must be a file of the library tokenizers"),
        (None, None, "data.pad must be the token that fills texts up, from 0 to 1, got None; .* names none"),
        (None, 2, "data.pad must be .* from 0 to 1, got 2"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, content: str | None, pad: int | None, message: str) -> None:
    path = write_tokenizer(tmp_path / "t.json", ["[UNK]", "word"])
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=message):
        TextEncoder.of(TextReading(str(path), 5, pad))


def test_a_file_that_contradicts_itself_is_refused_where_the_library_panics(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path / "t.json")
    document = json.loads(path.read_text())
    document["post_processor"]["special_tokens"] = {}  # of which the template names one
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"t\.json must be a file of the library tokenizers"):
        encode(path, "good")


def test_a_file_that_changes_is_said(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path / "t.json")
    encoder = TextEncoder.of(TextReading(str(path), 7))
    write_tokenizer(path, [*WORDS, "new"])
    with pytest.raises(ValueError, match="has been changed since the job began"):
        encoder.decode("good", "row 0")


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    encoder = TextEncoder.of(TextReading(str(write_tokenizer(tmp_path / "t.json")), 6))
    with pytest.raises(ValueError, match="row 7 must be a text, got NoneType"):
        encoder.decode(None, "row 7")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "tar"])
def test_every_table_of_texts_is_the_same_data(tmp_path: Path, kind: str) -> None:
    texts = [f"{WORDS[3 + number % 2]} film {'good ' * (number // 10)}".strip() for number in range(100)]
    write_table(tmp_path, kind, texts, [number % 2 for number in range(100)])
    reading = TextReading(str(write_tokenizer(tmp_path / "t.json")), 8)
    source = DataSource(str(tmp_path / f"train.{kind}"), reading=Reading(Columns(text=True), text=reading))
    data = source.load()
    assert data.train.images.dtype == torch.int64
    assert data.train.images.shape == (64, 8)
    assert torch.equal(data.train.images[:, 1] - 3, data.train.labels)
    assert data.input_shape(0) == (8,)
    assert torch.equal(data.transform.inputs(data.test.images, 0), data.test.images)
    with pytest.raises(ValueError, match="images are normalised, and the samples are tokens"):
        _ = data.normalization
    assert source.resolve(data).load() is data


def write_table(root: Path, kind: str, texts: list[str], labels: list[int]) -> None:
    """A table of texts and labels as a file `train` of a kind."""
    import io
    import tarfile

    import pandas as pd

    rows, path = pd.DataFrame({"sentence": texts, "label": labels}), root / f"train.{kind}"
    if kind == "csv":
        rows.to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows.to_dict("records")))
    elif kind == "parquet":
        rows.to_parquet(path)
    else:
        with tarfile.open(path, "w") as tar:
            for number, (text, label) in enumerate(zip(texts, labels, strict=True)):
                for end, content in (("txt", text), ("cls", str(label))):
                    info = tarfile.TarInfo(f"{number:03}.{end}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content.encode()))
