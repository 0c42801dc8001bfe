"""Public functions say what they take, what they raise, and in which shapes; a count of those that do not is 0."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HOUSE = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "predictors", "hardware", "results", "nas")
ARRAYS = {"NDArray", "ArrayLike", "FloatArray", "BoolArray", "Genes", "Tensor", "ndarray"}
MOST_PARAMETERS = 6


def _modules(package: str) -> Iterator[Path]:
    yield from sorted((HOUSE / package).rglob("*.py"))


def _named(path: Path, function: ast.AST, within: str = "") -> str:
    return f"{path.relative_to(HOUSE)}:{function.lineno} {within}{function.name}"  # type: ignore[attr-defined]


def _functions(path: Path) -> Iterator[tuple[ast.FunctionDef, ast.ClassDef | None]]:
    """Module-level functions, and methods of module-level classes."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield node, None
        elif isinstance(node, ast.ClassDef):
            yield from ((method, node) for method in node.body if isinstance(method, ast.FunctionDef))


def _parameters(function: ast.FunctionDef) -> list[ast.arg]:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [one for one in given if one.arg not in ("self", "cls") and not one.arg.startswith("_")]


def _is_public(function: ast.FunctionDef, owner: ast.ClassDef | None) -> bool:
    names = [function.name] + ([owner.name] if owner else [])
    return not any(name.startswith("_") and name not in ("__init__", "__call__") for name in names)


@cache
def _class(path: Path, name: str) -> type[Any]:
    module = ".".join(path.relative_to(HOUSE).with_suffix("").parts)
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


def _is_promised_by_a_base(path: Path, function: ast.FunctionDef, owner: ast.ClassDef | None) -> bool:
    """Whether a class above says already what the method takes, raises and returns."""
    if owner is None or function.name == "__init__":
        return False
    return any(
        function.name in vars(base) for base in inspect.getmro(_class(path, owner.name))[1:] if base is not object
    )


def _doc(function: ast.FunctionDef, owner: ast.ClassDef | None) -> str:
    """The docstring; constructors and what runs right after them are described by their class."""
    own = ast.get_docstring(function) or ""
    return own + (ast.get_docstring(owner) or "" if owner and function.name.startswith("__") else "")


def _raises(function: ast.FunctionDef) -> bool:
    """Whether it raises an error of its own: what is caught and raised again is another's."""
    return any(
        isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and "NotImplemented" not in ast.dump(node.exc)
        for node in ast.walk(function)
    )


def _sees_arrays(function: ast.FunctionDef) -> bool:
    annotations = [one.annotation for one in _parameters(function)] + [function.returns]
    names = [node for annotation in annotations if annotation for node in ast.walk(annotation)]
    return any(getattr(node, "id", getattr(node, "attr", None)) in ARRAYS for node in names)


def _lacking(path: Path) -> Iterator[str]:
    for function, owner in _functions(path):
        if not (_is_public(function, owner) or function.name == "__post_init__"):
            continue
        if _is_promised_by_a_base(path, function, owner):
            continue
        doc, parameters = _doc(function, owner), _parameters(function)
        name = _named(path, function, f"{owner.name}." if owner else "")
        if len(parameters) > 1:
            unnamed = [one.arg for one in parameters if f"{one.arg}: " not in doc]
            if "Args:" not in doc or unnamed:
                yield f"{name} has no line in Args for {', '.join(unnamed)}"
        if _raises(function) and "Raises:" not in doc:
            yield f"{name} raises, and has no Raises"
        if _sees_arrays(function) and not any(word in doc.lower() for word in ("shape", "scalar", "(n,", "one number")):
            yield f"{name} takes or gives arrays, and names no shape"


@pytest.mark.parametrize("package", PACKAGES)
def test_public_functions_say_what_they_take_and_raise(package: str) -> None:
    assert [line for path in _modules(package) for line in _lacking(path)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_has_more_parameters_than_a_reader_can_hold(package: str) -> None:
    functions = [(path, *pair) for path in _modules(package) for pair in _functions(path)]
    many = [_named(path, function) for path, function, _ in functions if len(_parameters(function)) > MOST_PARAMETERS]
    assert many == []
