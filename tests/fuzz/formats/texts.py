"""Files of the library `tokenizers`, and texts that they make tokens of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from fuzzer import Attempt, Format, require
from mutations import TEXTS, mutate_bytes, mutate_json

from nas.data.decoding.text_encoder import TextEncoder
from nas.data.reading import TextReading

_WORDS = ("[UNK]", "[PAD]", "[CLS]", "good", "bad", "film")


def _write(path: Path) -> dict[str, Any]:
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: number for number, word in enumerate(_WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("[CLS] $A", special_tokens=[("[CLS]", 2)])
    tokenizer.enable_padding(pad_id=1, pad_token="[PAD]")
    tokenizer.enable_truncation(16)
    tokenizer.save(str(path))
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def _tokenizer(folder: Path) -> Attempt:
    path = folder / "tokenizer.json"
    document = _write(path)
    whole = path.read_bytes()

    def attempt(rng: Random | None) -> Callable[[], object]:
        if rng and rng.random() < 0.3:
            path.write_bytes(mutate_bytes(whole, rng))
        else:
            content = json.dumps(mutate_json(document, rng) if rng else document)
            path.write_text(content, errors="surrogatepass")
        length, text = (rng.choice([1, 2, 5, 300]), rng.choice([*TEXTS, "good film"])) if rng else (5, "good film")

        def read() -> None:
            encoder = TextEncoder.of(TextReading(str(path), length))
            tokens = encoder.decode(text, f"row 3 of {folder}")
            require(tokens.shape == (length,) and tokens.dtype == np.int64, f"tokens of shape {tokens.shape}")
            require(bool(((tokens >= 0) & (tokens < encoder.vocabulary)).all()), f"tokens {tokens.tolist()}")

        return read

    return attempt


FORMATS = {"tokenizer": Format("data sets", _tokenizer)}
