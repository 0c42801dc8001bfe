"""A page beside an exported file that says to people what it is, and how it is run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.quoting import escape_lines, join_lines

_MOST_NAMES = 50  # outputs that the page names
# An underscore within a word marks nothing, and names are full of them.
_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)")


@dataclass(frozen=True)
class ModelCard:
    """What is known of an exported file.

    Attributes:
        file: Name of the ONNX file.
        description: The network, in a line.
        reads: What it takes, in words.
        shape: Shape of an example of its input.
        kind: The NumPy type of its input, such as `float32`.
        outputs: Names of its outputs.
        values: What was measured: metric and unit, the value with its uncertainty, and on what.
        policies: The policy of each layer, by its name.
        origin: Where it comes from: words, and what they stand for.
    """

    file: str
    description: str
    reads: str
    shape: tuple[int, ...]
    kind: str
    outputs: Sequence[str]
    values: Sequence[tuple[str, str, str]]
    policies: Mapping[str, str]
    origin: Mapping[str, str]

    def to_markdown(self) -> str:
        """The page."""
        more = f" and {len(self.outputs) - _MOST_NAMES:,} more" if len(self.outputs) > _MOST_NAMES else ""
        names = ", ".join(map(_plain, self.outputs[:_MOST_NAMES])) + more
        run = [
            "import numpy as np",
            "import onnxruntime",
            f'session = onnxruntime.InferenceSession("{self.file}", providers=["CPUExecutionProvider"])',
            f"inputs = np.zeros({self.shape}, np.{self.kind})  # your samples",
            "(outputs,) = session.run(None, {session.get_inputs()[0].name: inputs})",
        ]
        parts = [
            f"# {_plain(self.file)}",
            _plain(self.description),
            "## Run it\n\n```python\n" + "\n".join(run) + "\n```",
            f"Input: {_plain(self.reads)}\n\nOutputs: {names}",
            "## What was measured\n\n" + _table(("metric", "value (± half of a 90 % interval)", "on"), self.values),
            "## Policy of each layer\n\n" + _table(("layer", "policy"), [*self.policies.items()]),
            "## Where it comes from\n\n" + _table(("", ""), [*self.origin.items()]),
            "## Licence\n\nTo be stated by whoever passes it on: that of the network, and of the data that trained it.",
        ]
        return "\n\n".join(parts) + "\n"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(map(_plain, row))} |" for row in lines)


def _plain(text: str) -> str:
    """A text that Markdown shows as it is, in one line and one cell."""
    return _MARKUP.sub(r"\\\g<0>", join_lines(escape_lines(text))).replace("&", "&amp;").replace("<", "&lt;")
