"""Whatever a file of settings holds, it is taken or refused in one line, at once: every number and list has a bound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from formats.settings import COMPARISON, JOBS
from fuzzer import find_refusal
from mutations import mutate_bytes, mutate_json

from nas.jobs.files.comparison_file import JobComparisonFile, TableComparisonFile, load_comparison
from nas.jobs.files.job import Job, load_job
from nas.jobs.files.section import Section

JOB = JOBS[0]


def unbounded(schema: dict[str, Any], where: str) -> Iterator[str]:
    """The places of a JSON schema at which a number, list or mapping may be of any size."""
    kind, named = schema.get("type"), schema.get("additionalProperties", False) is not False
    if kind in ("integer", "number") and not {"maximum", "exclusiveMaximum"} & schema.keys():
        yield where
    if (kind == "array" and "maxItems" not in schema) or (named and "maxProperties" not in schema):
        yield where
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from unbounded(schema[part], where)
    for one in schema.get("anyOf", []):
        yield from unbounded(one, where)
    for name, one in schema.get("properties", {}).items():
        yield from unbounded(one, f"{where}.{name}")


@pytest.mark.parametrize("file", [Job, TableComparisonFile, JobComparisonFile])
def test_every_number_and_list_has_a_bound(file: type[Section]) -> None:
    schema = file.model_json_schema()
    parts = {file.__name__: schema, **schema.get("$defs", {})}
    assert [place for name, part in parts.items() for place in unbounded(part, name)] == []


@pytest.mark.parametrize("seed", range(2))
def test_a_strange_file_is_read_or_refused_in_one_line(seed: int, tmp_path: Path) -> None:
    rng, file = Random(seed), tmp_path / "file.yaml"
    for document, read in ((JOB, load_job), (COMPARISON, load_comparison)):
        for _ in range(15):
            file.write_text(yaml.safe_dump(mutate_json(document, rng), sort_keys=False), errors="surrogatepass")
            find_refusal(lambda: read(file))  # noqa: B023  # called at once
            file.write_bytes(mutate_bytes(yaml.safe_dump(document).encode(), rng))
            find_refusal(lambda: read(file))  # noqa: B023


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("search.options", {"population_size": 10**9}, "has no option 'population_size'"),
        ("search.options", {"initial_design": 10**9}, "initial_design must be from 1 to 100,000, got 1000000000"),
        ("search.options", {"initial_design": [3]}, "'initial_design' must be a number, a text, true or false, got"),
        ("search.evaluations", 10**9, "search.evaluations: input should be less than or equal to 1000000"),
        ("search.evaluations", True, "search.evaluations: input should be a valid integer, got True"),
        ("search.evaluations", 50.0, "search.evaluations: input should be a valid integer, got 50.0"),
        ("search.objectives", ["accuracy"] * 10**4, "search.objectives: list should have at most 20 items"),
        ("training.phases", [JOB["training"]["phases"][0]] * 200, "training.phases: list should have at most 100"),
        ("space.policies", [f"w{bits}a8" for bits in range(1000)], "space.policies: list should have at most 200"),
        ("space.only", {"depth": {"most": 2}}, "what is left of 'depth' is 'largest N' or a list of values"),
        ("space.inputs", [4096, 4096, 4096], "inputs must have at most 33,554,432 numbers"),
        ("name", "n" * 10**5, "name: string should have at most 4096 characters"),
        ("name", "n" * 200, "name: must be at most 100 letters"),
        (
            "space.only",
            {"depth": [float("nan")]},
            r"yaml: space\.only\.depth\.0: input should be a finite number, got nan$",
        ),
        (
            "space.only",
            {"depth": [10**30]},
            r"yaml: space\.only\.depth\.0: input should be less than or equal to 10+, got",
        ),
        ("space.only", {"depth": ["x" * 5000]}, r"yaml: space\.only\.depth\.0: string should have at most 4096[^;]*$"),
        (
            "training.class_weights",
            "even",
            r"class_weights: input should be 'balanced' or a valid list or [^;]*, got 'even'$",
        ),
        (
            "training.class_weights",
            [1.0, "a"],
            r"yaml: training\.class_weights\.1: input should be a valid number, got 'a'$",
        ),
        (
            "training.class_weights",
            {"a": -1.0},
            r"yaml: training\.class_weights\.a: input should be greater than 0, [^;]*$",
        ),
        ("data.label_column", 3, r"yaml: data\.label_column: input should be a valid string or a valid list, got 3$"),
        ("data.label_column", [], r"yaml: data\.label_column: list should have at least 1 item [^;]*, got \[\]$"),
        ("data.mean", ["a", 2], r"yaml: data\.mean\.0: [^;]*, got 'a'; data\.mean\.1: [^;]* equal to 1, got 2$"),
        ("n" * 10**5, 1, r"unknown key 'n{30,} \.\.\. n+'; known keys: name"),
    ],
)
def test_slips_are_named_in_few_words(path: str, value: object, line: str, tmp_path: Path) -> None:
    job = yaml.safe_load(yaml.safe_dump(JOB))
    section, _, key = path.rpartition(".")
    (job[section] if section else job)[key] = value
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    with pytest.raises(ValueError, match=line) as raised:
        load_job(tmp_path / "job.yaml")
    assert len(str(raised.value)) < 700


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"data": {"source": "a\0b"}},
            r"data\.source: text should be one line of characters that can be printed, got 'a\\x00b'$",
        ),
        ({"data": {"source": ""}}, "data.source: string should have at least 1 character, got ''"),
        ({"device": {"table": "\x1b[2J"}}, r"device\.table: text should be one line"),
        ({"device": {"table": ""}}, "device.table: string should have at least 1 character, got ''"),
        ({"search": {"objectives": ["macs", "a\nb"]}}, r"search\.objectives\.1: text should be one line"),
        ({"search": {"limits": {"a\0b": 1}}}, r"search\.limits\.a\\x00b: text should be one line"),
        ({"task": {"loss": "", "outputs": 2}}, "task.loss: string should have at least 1 character, got ''"),
    ],
)
def test_texts_hold_what_can_be_printed(change: dict[str, Any], line: str, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(JOB | change))
    with pytest.raises(ValueError, match=line) as raised:
        load_job(tmp_path / "job.yaml")
    assert str(raised.value).isprintable()


def test_names_of_files_may_have_blanks_of_any_width(tmp_path: Path) -> None:
    wide = "at 10\u202fAM\u00a0\u200d"
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(JOB | {"data": {"source": wide}}))
    assert load_job(tmp_path / "job.yaml").data.source == wide
    for wrong in ("", "a\0b"):
        with pytest.raises(ValueError, match="--data must be a path without control characters, got '"):
            load_job(tmp_path / "job.yaml", wrong)


def test_a_cell_of_more_paths_than_anyone_counts_is_refused_at_once(tmp_path: Path) -> None:
    edges = [[first, last] for last in range(40) for first in range(last)]
    (tmp_path / "file.yaml").write_text(yaml.safe_dump(COMPARISON | {"cell": {"edges": edges}}))
    with pytest.raises(ValueError, match=r"from 1 to 10,000 paths must lead .* got \d{2,3}(,\d{3})+ along"):
        load_comparison(tmp_path / "file.yaml")
