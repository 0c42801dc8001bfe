"""Reading of YAML that people write: safely, each key once, and with all numbers that YAML 1.2 knows.

In: a file. Out: plain values. Knows no job.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """PyYAML follows YAML 1.1, where `1e-3` is text, and lets a repeated key replace the first one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                mark = node.value[number][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice; keep one", mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+|\d*\.\d+|\d+\.)[eE][-+]?\d+$"), [*"-+.0123456789"]
)


def read_yaml(path: Path) -> Any:
    """The values in a YAML file.

    Raises:
        ValueError: In one line, if it is not YAML or has a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
