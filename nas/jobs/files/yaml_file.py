"""Reads YAML files within bounds: a repeated key is an error, `1e-3` is a number, and `010` or `1:30` is none."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from hardware.input_file import read_text
from search_spaces.quoting import describe_error

# A job of every setting with a policy rule for each of a hundred layers has 20 KB, 2,000 values and 6 levels.
_MOST_BYTES = 1 << 18
_MOST_VALUES = (
    20_000  # with those that aliases repeat: nine of nine of nine of them would be more than any memory holds
)
_MOST_LEVELS = 30
_MOST_SAID = 400  # characters of what is wrong

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"  # the tag of the key `<<`, which merges another mapping
# What plain text may stand for, besides null, booleans and merges. YAML 1.1 has more, which nobody means by it: `010`
# for 8, `1:30` for 90, days as values of their own; and less: `1e-3` is text there.
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*|0b[01_]+|0o[0-7]+|0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))([eE][-+]?[0-9]+)?$")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")
_AS_IN_YAML = {f"{_TAG}{name}" for name in ("bool", "null", "merge")}


class _Loader(yaml.SafeLoader):
    """PyYAML lets a repeated key replace the first one, and knows no bounds."""

    # PyYAML's own table has the rules of YAML 1.1 by the first character of the text
    yaml_implicit_resolvers = {
        first: [rule for rule in rules if rule[0] in _AS_IN_YAML]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = self._level = 0
        self._values_of: dict[str, int] = {}  # by the name of an anchor

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Composes a node within the bounds; an alias counts as all that it repeats."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        anchor: Any = getattr(event, "anchor", None)
        mark: Any = event.start_mark
        before = self._values
        if isinstance(event, yaml.AliasEvent):
            if anchor in self.anchors and anchor not in self._values_of:
                raise yaml.composer.ComposerError(None, None, f"*{anchor} would hold itself", mark)
            self._values += self._values_of.get(anchor, 0)
        self._values, self._level = self._values + 1, self._level + 1
        for what, found, most in (("values", self._values, _MOST_VALUES), ("levels", self._level, _MOST_LEVELS)):
            if not found <= most:
                raise yaml.composer.ComposerError(None, None, f"there are more than {most:,} {what}", mark)
        node = super().compose_node(parent, index)
        self._level -= 1
        if anchor is not None and not isinstance(event, yaml.AliasEvent):
            self._values_of[anchor] = self._values - before
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Constructs a value; PyYAML raises anything where a tag and its text do not fit."""
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            what = f"this is no {node.tag.removeprefix(_TAG)}"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Constructs a mapping whose keys differ."""
        seen = set[Hashable]()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else []:
            found = self.construct_object(key, deep=True) if key.tag != _MERGE else []
            if not isinstance(found, Hashable):  # a merge, or a key that PyYAML refuses
                continue
            if found in seen:
                what = f"key {key.value!r} stands twice; keep one"
                raise yaml.constructor.ConstructorError(None, None, what, key.start_mark)
            seen.add(found)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(f"{_TAG}int", _INTEGER, [*"-+0123456789"])
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, [*"-+.0123456789"])
_Loader.add_implicit_resolver(f"{_TAG}float", _NOT_FINITE, [*"-+."])


def read_yaml(path: Path) -> Any:
    """The values in a YAML file.

    Raises:
        ValueError: In one line, if it is not YAML, has a key twice, or is larger, deeper or of more values than any
            file of settings; or if it is no regular file.
        OSError: If it is not there, or cannot be read.
    """
    text = read_text(path, _MOST_BYTES)
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except (yaml.YAMLError, ArithmeticError, ValueError) as error:  # the latter two for characters such as "\UFFFFFFFF"
        raise ValueError(f"{path} is not YAML: {describe_error(error, _MOST_SAID)}") from error
