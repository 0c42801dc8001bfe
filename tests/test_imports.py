"""What importing a package loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from small_files import QUANTIZED, export

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What the engine needs and the verification of a file does not, by the names of the modules.
RENAMED = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn", "onnx-ir": "onnx_ir"}
NEEDED = [re.split("[<>=]", one)[0] for one in PROJECT["optional-dependencies"]["engine"]]
ENGINE = {RENAMED.get(name, name) for name in NEEDED} - {"onnxruntime", "pydantic"}  # which typer needs, too
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


def test_a_file_is_verified_where_the_engine_is_not_installed(tmp_path: Path) -> None:
    path = export(tmp_path, QUANTIZED)
    code = (
        "import sys\n"
        "class Refusing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {sorted(ENGINE)}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Refusing())\n"
        f"sys.argv = ['nas', 'verify', {str(path)!r}, '--json']\n"
        "from nas.cli.main import main; main()"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    outcomes = {check["name"]: check["outcome"] for check in json.loads(shown.stdout)["checks"]}
    assert outcomes.pop("ONNX checker") == "not run"
    assert [name for name, outcome in outcomes.items() if outcome == "not run"] == [
        f"latency, batch {batch}" for batch in (1, 8, 32)
    ]


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
