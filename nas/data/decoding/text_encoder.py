"""Texts as tokens of one length, by a file of the library `tokenizers`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from hardware.input_file import read_text
from nas.data.decoding.decoder import Decoder, Stored
from nas.data.reading import TextReading
from nas.data.tokens import Tokens
from search_spaces.quoting import describe_error

_PADS = ("[PAD]", "<pad>", "<|pad|>")  # the usual tokens that fill texts up, where the file does not say which one does
_MOST_BYTES = 64 << 20  # of a tokenizer file, of which the largest in use have 20


@dataclass(frozen=True)
class TextEncoder(Decoder):
    """Encodes texts as tokens: cut, and filled up, to one length on the sides that the tokenizer's file says.

    Attributes:
        path: The tokenizer's file, `tokenizer.json`.
        digest: SHA-256 of its content, in hexadecimal digits.
        length: Number of tokens of every text.
        pad: The token that fills up.
        vocabulary: Number of different tokens.
    """

    path: Path = field(repr=False)
    digest: str
    length: int
    pad: int
    vocabulary: int
    dtype = torch.int64

    @classmethod
    def of(cls, reading: TextReading) -> Self:
        """The encoder that a job describes.

        Raises:
            ValueError: If the file is none of a tokenizer, the library is not installed, or it is not known which token
                fills up.
            OSError: If the file cannot be read.
        """
        path = Path(reading.tokenizer)
        content = read_text(path, _MOST_BYTES)
        tokenizer = _parse(content, path)
        size = int(tokenizer.get_vocab_size())
        stated = tokenizer.padding["pad_id"] if tokenizer.padding is not None else None
        usual = (tokenizer.token_to_id(name) for name in _PADS)
        pad = next((one for one in (reading.pad, stated, *usual) if one is not None), None)
        if pad is None or not 0 <= pad < size:
            raise ValueError(
                f"data.pad must be the token that fills texts up, from 0 to {size - 1}, got {pad}; {path} names none"
            )
        return cls(path, hashlib.sha256(content.encode()).hexdigest(), reading.length, int(pad), size)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length."""
        return (self.length,)

    @property
    def tokens(self) -> Tokens:
        """How the tokens become inputs of a network."""
        return Tokens(self.vocabulary, self.length, self.pad)

    def decode(self, stored: Stored, where: object) -> NDArray[np.int64]:
        """Tokens, int64, shape (length,).

        Raises:
            ValueError: If it is no text.
        """
        if not isinstance(stored, str):
            raise ValueError(f"{where} must be a text, got {type(stored).__name__}")
        tokenizer = _open(self)
        with _naming_damage(self.path):
            return np.array(tokenizer.encode(stored).ids, np.int64)


@lru_cache(maxsize=2)
def _open(encoder: TextEncoder) -> Any:
    """The tokenizer of an encoder, set to its length."""
    content = read_text(encoder.path, _MOST_BYTES)
    if hashlib.sha256(content.encode()).hexdigest() != encoder.digest:
        raise ValueError(f"{encoder.path} has been changed since the job began; put it back, or start again")
    tokenizer = _parse(content, encoder.path)
    side = (tokenizer.padding or {}).get("direction", "right")
    cut = (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.enable_truncation(encoder.length, direction=cut)
    tokenizer.enable_padding(length=encoder.length, pad_id=encoder.pad, direction=side)
    return tokenizer


def _parse(content: str, path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ValueError(
            f"texts need the library tokenizers for {path}: pip install -c constraints.txt -e '.[text]'"
        ) from error
    with _naming_damage(path):
        return Tokenizer.from_str(content)


@contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    """Names the file in the errors of the library, which raises Exception itself, and panics where files contradict.

    Raises:
        ValueError: If the block fails.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        said = describe_error(error)
        raise ValueError(f"{path} must be a file of the library tokenizers, such as tokenizer.json: {said}") from error
