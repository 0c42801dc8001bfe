"""Names are looked up in this project and in what other packages add; what is wrong with either is one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hardware.device import DEVICES
from hardware.importers.registry import IMPORTERS
from hardware.profiling.onnx_forms import ONNX_FORMS
from nas.compression.allocation.registry import ALLOCATORS
from nas.compression.equalization.registry import EQUALIZATIONS
from nas.compression.low_rank.registry import FACTORIZATIONS
from nas.compression.observers.registry import OBSERVERS
from nas.compression.pruning.registry import IMPORTANCES
from nas.compression.quantizers.registry import QUANTIZERS
from nas.compression.repair.registry import REPAIRS
from nas.compression.rounding.registry import ROUNDINGS
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.data.augmentation.registry import AUGMENTATION_PRESETS, AUGMENTATIONS
from nas.data.layouts.registry import LAYOUTS
from nas.evaluation.profilers import PROFILERS
from nas.search.registry import SEARCHERS
from nas.tasks.metrics.corruption import CORRUPTIONS
from nas.tasks.metrics.registry import MEASURED_METRICS
from nas.tasks.registry import TASKS
from nas.training.schedules.registry import SCHEDULES
from predictors.registry import PREDICTORS
from results.metric import METRICS
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.channels.registry import CHANNEL_RULES
from search_spaces.elastic.torch_forms import TORCH_FORMS
from search_spaces.operators.registry import OPERATORS
from search_spaces.presets import SPACES
from search_spaces.registry import Registry

REGISTRIES = [SPACES, SEARCHERS, PREDICTORS, METRICS, IMPORTERS, PROFILERS, SCHEDULES, DEVICES]
REGISTRIES += [ANALYTIC_COSTS, OPERATORS, TORCH_FORMS, ONNX_FORMS, CHANNEL_RULES]
REGISTRIES += [AUGMENTATIONS, AUGMENTATION_PRESETS]
REGISTRIES += [LAYOUTS, OBSERVERS, QUANTIZERS, REPAIRS, ROUNDINGS, SENSITIVITY_METRICS, ALLOCATORS, IMPORTANCES]
REGISTRIES += [EQUALIZATIONS, FACTORIZATIONS, MEASURED_METRICS, CORRUPTIONS, TASKS]
OURS = Registry("colour", {"red": 1, "blue": 2}, lambda entry: isinstance(entry, int))

Install = Callable[..., None]


@pytest.fixture
def install(install_package: Install) -> Install:
    """Installs a package `paint`, by default with entry points of `OURS`."""

    def install(source: str, group: str = OURS.group, **entries: str) -> None:
        install_package(source, group, **entries)

    return install


def test_without_other_packages_it_is_a_mapping_of_its_own_entries() -> None:
    assert dict(OURS) == {"red": 1, "blue": 2}
    assert "red" in OURS
    assert "green" not in OURS
    assert OURS.check_name("blue") == "blue"


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_unknown_names_are_refused_in_the_same_words(registry: Registry[object]) -> None:
    line = f"unknown {registry.kind} 'nobody'; known {registry.kind}s: {', '.join(registry)}"
    for look_up in (registry.__getitem__, registry.check_name):
        with pytest.raises(ValueError) as refused:  # noqa: PT011 the whole line is compared
            look_up("nobody")
        assert str(refused.value) == line


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_registry_is_open(registry: Registry[object], install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("from registries import entry", registry.group, another="entry")
    known = next(iter(registry.values()))
    monkeypatch.setitem(sys.modules, "registries", SimpleNamespace(entry=known))
    assert list(registry)[-1] == "another"
    assert registry["another"] is known


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_group_is_documented(registry: Registry[object]) -> None:
    contributing = Path(__file__).parents[2] / "CONTRIBUTING.md"
    assert f"`{registry.group}`" in contributing.read_text(encoding="utf-8").partition("## From another package")[2]


def test_a_package_and_its_version_are_named_without_importing_it(install: Install) -> None:
    install("raise RuntimeError", green="green")
    assert OURS.find_package("green") == "paint 1.0"
    assert OURS.find_package("red") == ""


def test_a_package_is_imported_only_for_its_name(install: Install) -> None:
    install("green = 3", green="green")
    assert list(OURS) == ["red", "blue", "green"]
    assert "green" in OURS
    assert OURS["red"] == 1
    assert "paint" not in sys.modules
    assert OURS["green"] == 3


@pytest.mark.parametrize(
    ("source", "entries", "name", "line"),
    [
        ("red = 3", {"red": "red"}, "green", "colour 'red' of package 'paint' must have a name of its own, and there"),
        ("import nowhere", {"green": "green"}, "green", "colour 'green' of package 'paint' must be importable: Modul"),
        (
            "raise RuntimeError('it is\\nbroken')",
            {"green": "green"},
            "green",
            "colour 'green' of package 'paint' must be importable: RuntimeError: it is broken",
        ),
        ("1 / 0", {"green": "green"}, "green", "colour 'green' of package 'paint' must be importable: ZeroDivisionE"),
        ("", {"green": "green"}, "green", "colour 'green' of package 'paint' must be importable: AttributeError: "),
        (
            "green = 'x'",
            {"green": "green"},
            "green",
            "colour 'green' of package 'paint' must be what group nas.colours",
        ),
    ],
)
def test_what_is_wrong_with_a_package_is_one_line(
    source: str, entries: dict[str, str], name: str, line: str, install: Install
) -> None:
    install(source, **entries)
    with pytest.raises(ValueError) as refused:  # noqa: PT011 the line is compared
        OURS[name]
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)
