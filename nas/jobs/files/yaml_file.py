"""Reads YAML files: a repeated key is an error, and `1e-3` is a number."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"  # the tag of the key `<<`, which merges another mapping


class _Loader(yaml.SafeLoader):
    """PyYAML follows YAML 1.1, where `1e-3` is text, and lets a repeated key replace the first one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        given = [key for key, _ in node.value if key.tag != _MERGE] if isinstance(node, yaml.MappingNode) else []
        keys = [self.construct_object(key, deep=True) for key in given]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                mark = given[number].start_mark
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
