"""How networks are compressed is named in a job; what a measurement depends on says so, unless it is the default."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import AfterValidator, ValidationError
from rich.console import Console

from nas.compression.equalization.cross_layer import CrossLayerEqualization
from nas.compression.low_rank.output_covariance import OutputCovariance
from nas.compression.methods import DEFAULT_METHODS
from nas.compression.observers.min_max_range import MinMaxRange
from nas.compression.quantizers.mse import LeastSquaredError
from nas.compression.repair.recipe import FULL, LIGHT
from nas.compression.rounding.ada_round import AdaRound
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.compression_section import CompressionSection
from nas.jobs.files.job import Job
from nas.jobs.workspace import Workspace
from search_spaces.registry import Registry


def workspace(folder: Path, **compression: str) -> Workspace:
    document = {"name": "one", "space": {"name": "resnet_digits", "policies": ["w8a8"]}, "compression": compression}
    return Workspace(Job.model_validate(document), folder, Reporter(Console(file=io.StringIO())))


def test_names_stand_for_methods() -> None:
    assert CompressionSection().methods() == DEFAULT_METHODS
    named = CompressionSection(observer="min_max", quantizer="mse").methods()
    assert (named.observer, named.quantizer) == (MinMaxRange(), LeastSquaredError())
    repaired = CompressionSection(repair="full", equalization="cross_layer").methods()
    assert repaired.repair == replace(FULL, equalization=CrossLayerEqualization())
    rounded = CompressionSection(repair="light", rounding="ada_round")
    assert rounded.methods().repair == replace(LIGHT, rounding=AdaRound())
    assert rounded.described() == CompressionSection(repair="light").described() | {"rounding": "ada_round"}
    assert CompressionSection(factorization="output_covariance").methods().factorization == OutputCovariance()


@pytest.mark.parametrize("part", ["observer", "quantizer"])
def test_an_unknown_name_is_refused_with_the_known_ones(part: str) -> None:
    with pytest.raises(ValidationError, match=rf"unknown {part} 'nobody'; known {part}s: .*min_max"):
        CompressionSection.model_validate({part: "nobody"})


@pytest.mark.parametrize(("key", "name"), [("equalization", "cross_layer"), ("rounding", "gptq")])
def test_a_step_of_a_repair_needs_one(key: str, name: str) -> None:
    with pytest.raises(ValidationError, match=rf"compression\.{key} is a step of a repair; state compression\.repair"):
        CompressionSection.model_validate({key: name})
    with pytest.raises(ValidationError, match=rf"unknown {key} 'nobody'; known {key}s: .*{name}"):
        CompressionSection.model_validate({"repair": "light", key: "nobody"})


@pytest.mark.parametrize(("key", "name"), [("repair", "light"), ("factorization", "output_covariance")])
def test_what_is_for_given_networks_is_refused_for_spaces(key: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=rf"compression\.{key} is for a given network, and the job names a space"):
        workspace(tmp_path, **{key: name})


def find_registries(declared: Any) -> Iterator[Registry[Any]]:
    """The registries whose names a declaration of a key allows."""
    if isinstance(declared, AfterValidator) and isinstance(owner := getattr(declared.func, "__self__", None), Registry):
        yield owner
    for part in (*get_args(declared), *getattr(declared, "__metadata__", ())):
        yield from find_registries(part)


REGISTRIES = {
    key: registry
    for key, field in CompressionSection.model_fields.items()
    for declared in (field.annotation, *field.metadata)
    for registry in find_registries(declared)
}


def test_all_registries_are_found() -> None:
    assert {*REGISTRIES} == {"observer", "quantizer", "equalization", "rounding", "factorization"}


@pytest.mark.parametrize("key", REGISTRIES)
def test_every_method_of_another_package_is_named(key: str, install_package: Callable[..., None]) -> None:
    install_package("", REGISTRIES[key].group, another="another")
    space = {"network": "networks:make", "inputs": [3, 32, 32], "policies": ["w8a8"]}
    compression = {"repair": "light", key: "another"}
    job = Job.model_validate({"name": "one", "space": space, "compression": compression})
    assert job.packages == ["paint 1.0"]


def test_what_is_measured_depends_on_them(tmp_path: Path) -> None:
    default, mse = workspace(tmp_path), workspace(tmp_path, quantizer="mse", factorization="svd")
    spelled = workspace(tmp_path, observer="percentile_99_99", quantizer="min_max", factorization="svd")
    plain, same, other = (one.execution.runs.record("fit", {}) for one in (default, spelled, mse))
    assert plain.run == same.run != other.run
    assert "compression" not in plain.inputs  # stored runs keep their names
    assert other.inputs["compression"] == {"observer": "percentile_99_99", "quantizer": "mse"}
