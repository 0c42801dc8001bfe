"""Documents: what stands in files besides tables, as models that are checked when they are read and written.

Types are strict, unknown keys are errors, numbers are finite, and texts fit on a line that can be printed.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from search_spaces.quoting import quote, quote_name

_TOLD = 3  # mistakes that are told at once


def _check_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("text should be one line of characters that can be printed")
    return text


Line = Annotated[str, Field(max_length=1000), AfterValidator(_check_line)]
Word = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_check_line)]
# No cost, factor or percentage comes near a billion billions, and sums of such numbers are finite.
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e18, le=1e18)]
NotNegative = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e18)]
Above0 = Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e18)]


class Document(BaseModel):
    """A part of a document: a value with typed fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Kind = TypeVar("Kind", bound=Document)


def parse_document(text: str | bytes, kind: type[Kind]) -> Kind:
    """Reads a document from JSON.

    Args:
        text: The JSON.
        kind: The model.

    Raises:
        ValueError: If it is no JSON, lacks a key, has an unknown one, or a value is wrong; one line that names them.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(_describe(error)) from error


def make_document(values: Any, kind: type[Kind]) -> Kind:
    """A document of values, with tuples for its lists.

    Args:
        values: The values by key.
        kind: The model.

    Raises:
        ValueError: If a value is wrong; one line that names it.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ValueError(_describe(error)) from error


def _describe(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    told = [_describe_one(problem) for problem in problems[:_TOLD]]
    if len(problems) > _TOLD:
        told.append(f"and {len(problems) - _TOLD} more")
    return "; ".join(told)


def _describe_one(problem: Any) -> str:
    where = ".".join(quote_name(str(part)) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{where} is missing"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where}"
    message = problem["msg"].removeprefix("Value error, ")
    said = problem["type"] == "json_invalid" or ", got " in message  # what came
    given = "" if said else f", got {quote(problem['input'])}"
    return f"{f'{where}: ' if where else ''}{message[0].lower()}{message[1:]}{given}"
