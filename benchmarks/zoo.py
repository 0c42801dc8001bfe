"""Given networks: how many of those that others wrote go through the engine, and why the others do not.

One model (the smallest) of every model file of timm and a small configuration of each of some families of transformers,
with random weights: traced, the graph's outputs held against the module's, compressed at w8a8, exported, and the export
held against torch in onnxruntime. In: the lists `timm.txt` and `transformers.json` of a folder. Out: rows of the table
in `README.md`, and what fails. Needs the extra `zoo`; where torchvision cannot be imported, which timm does and these
models do not use, empty classes stand in for it.

Each model has a process and a time limit of its own; its result is kept in a folder, so that a second start goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from report import row

TARGETS = {"timm": (62, 56), "transformers": (20, 18)}  # traced and equal; through to ONNX
COMMAND = "python benchmarks/zoo.py"
LIMIT_S = 600.0
PERCENT = 99.99  # of the activations are within the range of a quantiser
TOLERANCE = 1e-4  # relative to the largest output
LARGEST_SIDE = 256  # pixels; models for larger images that do not insist get 224


class StandIn(MetaPathFinder, Loader):
    """Finds every module of torchvision, with an empty class for whatever is asked of it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__getattr__ = empty_class  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class Names(type):
    """Of classes whose attributes are their names, as members of enumerations are."""

    def __getattr__(cls, name: str) -> str:
        return name if not name.startswith("__") else type.__getattribute__(cls, name)


def empty_class(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return Names(name, (), {})


def stand_in_for_torchvision() -> None:
    """Lets timm import torchvision where that cannot be: it is not there, or built for another torch."""
    try:
        import_module("torchvision")
    except Exception:  # whatever a build for another torch raises
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.meta_path.insert(0, StandIn())


def timm_model(name: str) -> tuple[Any, Any]:
    """A model of timm and an example of two images."""
    import torch

    stand_in_for_torchvision()
    from nas.compression.tracing.reference import create_network

    model: Any = create_network(f"timm:{name}")
    settings = model.pretrained_cfg
    side = settings["input_size"][-1]
    if side > LARGEST_SIDE and not settings.get("fixed_input_size"):
        side = 224
    return model, [torch.randn(2, 3, side, side)]


def transformers_model(entry: dict[str, Any]) -> tuple[Any, Any]:
    """A model of transformers and examples of its inputs, by name."""
    import torch
    import transformers

    auto, config = getattr(transformers, entry["auto_class"]), getattr(transformers, entry["config"])
    inputs = {
        name: torch.randint(0, 200, shape) if name == "input_ids" else torch.randn(shape)
        for name, shape in entry["inputs"].items()
    }
    return auto.from_config(config(**entry["arguments"])), inputs


def walk(make: Callable[[], tuple[Any, Any]]) -> dict[str, Any]:
    """How far a model comes, and what stops it."""
    import torch

    from nas.compression.compress import calibrate
    from nas.compression.integer_biases import round_biases
    from nas.compression.observers.percentile import Percentile
    from nas.compression.tracing.compress import compress
    from nas.compression.tracing.trace import trace
    from nas.export.agreement import check_agreement
    from nas.export.onnx_graph_network import traced_to_onnx
    from nas.export.onnx_model import open_session
    from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

    torch.set_num_threads(1)
    torch.manual_seed(0)
    result: dict[str, Any] = {"traced": False, "exported": False, "reason": ""}
    start = time.perf_counter()
    try:
        model, examples = make()
        model.eval()
        named = isinstance(examples, dict)
        enliven(model, examples)
        traced = trace(model, examples)
        (inputs,) = examples.values() if named else examples
        with torch.no_grad():
            expected = first(model(**examples) if named else model(*examples))
            difference = float((first(traced.network()(inputs)) - expected).abs().max() / expected.abs().max())
        result |= {"seconds": time.perf_counter() - start, "difference": difference, "opaque": dict(traced.opaque)}
        result |= {"layers": len(traced.graph.layers), "macs": traced.graph.macs, "batch": traced.graph.batch}
        if not difference <= TOLERANCE:
            raise ValueError(f"the graph is off by {difference:.2g}")
        result["traced"] = True
        network = compress(traced, CompressionPolicy((LayerPolicy.quantized(8, 8),) * len(traced.graph.layers)))
        calibrate(network, [inputs], Percentile(PERCENT))  # as networks of a space are
        round_biases(network)
        session = open_session(traced_to_onnx(network, [inputs]))
        check_agreement(network, session, inputs)
        result["exported"] = True
    except Exception as error:
        result["reason"] = f"{type(error).__name__}: {' '.join(str(error).split())[-300:]}"
    return result | {"total_seconds": time.perf_counter() - start}


def enliven(model: Any, examples: Any) -> None:
    """Draws scales and shifts near one where fresh weights give the same for all inputs: nothing could be seen then."""
    import torch

    with torch.no_grad():
        outputs = first(model(**examples) if isinstance(examples, dict) else model(*examples))
        if bool((outputs[0] == outputs[1]).all()):
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.uniform_(0.5, 1.5)


def first(outputs: Any) -> Any:
    """The first tensor that a model returns."""
    from torch.utils import _pytree as pytree

    return next(value for value in pytree.tree_leaves(outputs) if hasattr(value, "shape"))


def result_of(family: str, name: str, folder: Path, lists: Path) -> dict[str, Any]:
    """The kept result of a model, or that of a process of its own."""
    file = folder / f"{family}-{name}.json"
    if not file.exists():
        command = [sys.executable, __file__, "--lists", str(lists), "--folder", str(folder), "--only", family, name]
        try:
            done = subprocess.run(command, timeout=LIMIT_S, capture_output=True, text=True, check=False)
            lost = f"the process ended with {done.returncode}: {done.stderr.strip()[-200:]}"
        except subprocess.TimeoutExpired:
            lost = f"took more than {LIMIT_S:g} s"
        if not file.exists():
            file.write_text(json.dumps({"traced": False, "exported": False, "reason": lost}))
    result: dict[str, Any] = json.loads(file.read_text())
    return result


def makers(lists: Path) -> dict[str, dict[str, Callable[[], tuple[Any, Any]]]]:
    """What makes each model, by family and name."""
    entries = json.loads((lists / "transformers.json").read_text())
    return {
        "timm": {name: partial(timm_model, name) for name in (lists / "timm.txt").read_text().split()},
        "transformers": {entry["config"]: partial(transformers_model, entry) for entry in entries},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lists", type=Path, default=Path("../shared/zoo"))
    parser.add_argument("--folder", type=Path, default=Path("runs/zoo"))
    parser.add_argument("--only", nargs=2, metavar=("FAMILY", "NAME"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    known = makers(arguments.lists)
    if arguments.only:
        family, name = arguments.only
        (arguments.folder / f"{family}-{name}.json").write_text(json.dumps(walk(known[family][name])))
        return
    failures = []
    for family, models in known.items():
        results = {name: result_of(family, name, arguments.folder, arguments.lists) for name in models}
        asked = ("traced and equal to 1e-4", "at w8a8 through to ONNX that agrees")
        for stage, key, target in zip(asked, ("traced", "exported"), TARGETS[family], strict=True):
            passed = sum(result[key] for result in results.values())
            title = f"Given networks, {family}: {stage}: at least {target}"
            print(row(title, [passed], f"{{:.0f}} of {len(models)}", "0", COMMAND, 1))
        seconds = [result["seconds"] for result in results.values() if result["traced"]]
        title = f"Given networks, {family}: tracing one, check included"
        print(row(title, seconds, "{:.1f} s", "one each", COMMAND, 1))
        failures += [(family, name, result["reason"]) for name, result in results.items() if not result["exported"]]
    print("\n| family | model | why it stops |\n|---|---|---|" if failures else "\nnothing stops")
    for failure in failures:
        print(f"| {' | '.join(failure)} |")


if __name__ == "__main__":
    main()
