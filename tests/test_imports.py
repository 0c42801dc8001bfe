"""What importing a package loads."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIGHT = ["search_spaces", "predictors", "hardware", "results"]  # all but search_spaces/elastic


@pytest.mark.parametrize("package", LIGHT)
def test_only_elastic_networks_load_torch(package: str) -> None:
    assert not loads_torch(*light_modules(package))


def test_the_import_rules_name_all_that_loads_no_torch() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    forbidding = [contract for contract in contracts if contract.get("forbidden_modules") == ["torch"]]
    named = [module for contract in forbidding for module in contract["source_modules"]]
    known = [module for package in LIGHT for module in light_modules(package)]
    assert [module for module in known if not any(f"{module}.".startswith(f"{name}.") for name in named)] == []


def test_a_job_file_is_read_without_what_takes_a_second_to_import() -> None:
    job = {"name": "small", "space": {"name": "resnet_digits", "policies": ["w8a8"]}}
    code = f"import sys; from nas.jobs.files.job import Job; Job.model_validate({job}); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "scipy.stats", "sklearn", "pandas", "onnxruntime"} & set(shown.split())


def test_stages_that_make_no_table_of_networks_load_no_pandas() -> None:
    code = "import sys, nas.jobs.run; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"pandas", "scipy.stats"} & set(shown.split())


def test_methods_of_compression_have_names_without_torch_and_allocators_need_none() -> None:
    rooms = ("observers", "quantizers", "sensitivity", "allocation")
    allocators = [
        f"nas.compression.allocation.{file.stem}" for file in (ROOT / "nas/compression/allocation").glob("*.py")
    ]
    assert not loads_torch(*allocators, *(f"nas.compression.{room}.registry" for room in rooms))


def light_modules(package: str) -> list[str]:
    """All modules of a package but those of elastic networks, and what can only be imported by Alembic."""
    files = [file.relative_to(ROOT).with_suffix("") for file in sorted((ROOT / package).rglob("*.py"))]
    return [
        ".".join(file.parts) for file in files if file.name not in ("__init__", "env") and "elastic" not in file.parts
    ]


def loads_torch(*modules: str) -> bool:
    code = f"import sys, {', '.join(modules)}; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {"True": True, "False": False}[shown.strip()]
