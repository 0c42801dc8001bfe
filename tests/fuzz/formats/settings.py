"""Jobs and comparisons; and the late effects of their settings: what is accepted builds all that it describes."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml
from fuzzer import Attempt, Format, require
from mutations import mutate_bytes, mutate_cells, mutate_json, mutate_yaml, to_csv

from nas.jobs.comparison.table_comparison import compare_on_table
from nas.jobs.files.comparison_file import TableComparisonFile, load_comparison
from nas.jobs.files.job import Job, load_job
from nas.objectives import Objective
from nas.search.protocol.problem import SearchProblem
from nas.training.plan import TrainingPlan
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space

_TRAINED: dict[str, Any] = {
    "name": "small",
    "seed": 1,
    "data": {"source": "digits", "limit": 500, "image_size": 32, "mean": [0.5], "std": [0.5], "fit": "pad"},
    "space": {
        "name": "mobilenet_v3_digits",
        "policies": ["w32a32", "w8a8"],
        "policies_for": [{"position": "first", "policies": ["w8a8"]}],
        "only": {"depth": [2], "kernel": "largest 1"},
    },
    "training": {
        "phases": [
            {"name": "a", "epochs": 1, "learning_rate": 0.1, "open": {"depth": "all"}, "subnets": ["largest", "random"]}
        ],
        "batch_size": 25,
        "label_smoothing": 0.1,
    },
    "device": {"threads": 1, "batch": 1, "calibration_networks": 20},
    "fit": {"predictor": "ridge", "candidates": 12},
    "search": {
        "searcher": "linas",
        "options": {"initial_design": 10, "predictor": "ridge"},
        "evaluations": 60,
        "objectives": ["accuracy", "latency_ms", "macs"],
        "limits": {"latency_ms": 5.0, "accuracy": 60},
        "stop": {"gain": "0.5 %"},
        "timeout_s": 60.0,
    },
    "export": {"count": 2},
}
_SEARCHES: list[dict[str, Any]] = [
    {"searcher": "nsga2", "options": {"population_size": 10}, "in_flight": 3},
    {"searcher": "random", "most_failures": "20 %"},
    {"searcher": "multi_fidelity", "objectives": ["accuracy", "macs"]},
    {"searcher": "optuna_tpe", "quality": "predicted", "verify": 5},
]
_OTHERS = [
    {
        "name": "other",
        "data": {"source": "digits", "background": [0, 0, 0], "value_range": [0, 16], "channels": 1, "loaders": 0},
        "space": {"name": "resnet_digits", "policies": ["w32a32", "w8a8", "w4a8"], "only": {"0.depth": [1]}},
        "training": {"schedule": "ofa", "epochs": 5, "learning_rate": 0.05, "optimizer": "sgd", "flip": True},
        "compression": {"observer": "min_max", "quantizer": "mse"},
        "search": {"evaluations": 40, **search},
    }
    for search in _SEARCHES
]
_TASK: dict[str, Any] = {
    "name": "marks",
    "task": {"name": "multi_label"},
    "data": {"source": "marks", "label_column": ["a", "b"], "image_size": 16},
    "space": {"name": "resnet_digits", "policies": ["w32a32"]},
    "training": {
        "epochs": 5,
        "augmentation": [{"crop": {"smallest": 0.35}}, "flip", {"color_jitter": {"hue": 0}}, "mixup"],
        "class_weights": [1.0, 2.5],
        "optimizer": "scaled_adam",
    },
    "search": {"searcher": "nsga2", "objectives": ["macro_f1", "macs"], "evaluations": 20},
}
JOBS = [_TRAINED, *_OTHERS, _TASK]
COMPARISON: dict[str, Any] = {
    "name": "small",
    "table": "networks.csv",
    "genes": ["depth", "width"],
    "cell": {"edges": [[0, 1], [1, 2]], "zero": "1"},
    "objectives": {"accuracy": "maximize", "parameters": "minimize"},
    "reference": {"accuracy": 50, "parameters": 20000},
    "limits": {"accuracy": 60.0},
    "searchers": ["random", "nsga2"],
    "budgets": [5, 10],
    "seeds": 2,
}
NETWORKS = [["depth", "width", "accuracy", "parameters"]] + [
    [str(depth), str(width), f"{60 + 3 * depth + width / 8}", str(depth * width * 100)]
    for depth, width in product((1, 2, 3), (8, 16, 32))
]


def _list_numbers(document: object) -> Iterator[float]:
    if isinstance(document, float):
        yield document
    for part in document.values() if isinstance(document, dict) else document if isinstance(document, list) else []:
        yield from _list_numbers(part)


def use_job(job: Job, folder: Path) -> None:
    """Builds whatever the settings of a job describe, but for what trains or measures."""
    require(all(map(math.isfinite, _list_numbers(job.model_dump()))), "a number that is not finite")
    json.dumps(job.model_dump())
    source = job.data.data_source(folder)
    if job.data.dataset is None and job.data.source == "digits":
        source.arrange()
    job.compression.methods()
    job.device.here()
    settings = job.training.settings()
    if job.space.name is None:
        return
    whole = JointSpace(create_space(job.space.name, 1, 10), job.space.policy_space())
    require(bool(TrainingPlan(whole, job.training.resolve(whole), settings, job.seed).identity), "no plan")
    space = JointSpace(job.space.restrict(whole.architectures), whole.policies)
    job.search.dispatch()
    if not job.search.method().needs_leaves:
        _search(job, space)


def _search(job: Job, space: JointSpace) -> None:
    """The first candidates of the search, and the next ones, with made-up values."""

    def evaluate(population: Population) -> Any:
        return 1.0 + population.genes.sum(axis=1) / (1.0 + population.genes.sum())

    objectives = [Objective(METRICS[name], evaluate, job.search.limits.get(name)) for name in job.search.objectives]
    method = job.search.method()
    problem = SearchProblem(space, tuple(objectives))
    method.check(problem)
    searcher = method.create(problem, job.seed)
    for _ in range(2):
        asked = searcher.ask(min(4, job.search.evaluations))
        costs = np.stack([evaluate(asked) * (column + 1) for column in range(len(objectives))], axis=1)
        searcher.tell(asked, costs, np.zeros(len(asked)))


def _job(folder: Path) -> Attempt:
    path = folder / "job.yaml"

    def attempt(rng: Random | None) -> Callable[[], object]:
        document = rng.choice(JOBS) if rng else JOBS[0]
        path.write_bytes(_mutate(document, rng))

        def read() -> None:
            job = load_job(path)
            try:
                use_job(job, folder / "cache")
            except (ValueError, OSError) as error:  # what is found out later names the key, not the file
                raise type(error)(f"{path}: {error}") from error

        return read

    return attempt


def _mutate(document: dict[str, Any], rng: Random | None) -> bytes:
    text = yaml.safe_dump(document, sort_keys=False)
    if rng is None:
        return text.encode()
    if rng.random() < 0.6:
        changed = document
        for _ in range(rng.choice([1, 1, 2])):
            changed = mutate_json(changed, rng)
        return yaml.safe_dump(changed, sort_keys=False).encode("utf-8", "surrogatepass")
    return mutate_yaml(text, rng)


def _comparison(folder: Path) -> Attempt:
    def attempt(rng: Random | None) -> Callable[[], object]:
        (folder / "file.yaml").write_bytes(_mutate(COMPARISON, rng))
        (folder / "networks.csv").write_bytes(to_csv(NETWORKS))
        return lambda: _compare(folder)

    return attempt


def _compare(folder: Path) -> None:
    file = load_comparison(folder / "file.yaml")
    require(all(map(math.isfinite, _list_numbers(file.model_dump()))), "a number that is not finite")
    if not isinstance(file, TableComparisonFile) or file.table != "networks.csv":
        return
    try:
        comparison = compare_on_table(file, folder / file.table)
    except (ValueError, OSError) as error:
        raise ValueError(f"{folder}: {error}") from error
    curve = comparison.measure_curve(file.searchers[0], 0)
    require(bool((np.isfinite(curve) & (curve >= 0) & (np.diff(curve, prepend=0) >= 0)).all()), f"a curve of {curve}")


def _networks(folder: Path) -> Attempt:
    (folder / "file.yaml").write_text(yaml.safe_dump(COMPARISON))

    def attempt(rng: Random | None) -> Callable[[], object]:
        content = to_csv(NETWORKS)
        if rng:
            rows = list(csv.reader(io.StringIO(content.decode())))
            content = to_csv(mutate_cells(rows, rng)) if rng.random() < 0.7 else mutate_bytes(content, rng)
        (folder / "networks.csv").write_bytes(content)
        return lambda: _compare(folder)

    return attempt


_KIND = "jobs, comparisons and tables of networks"
FORMATS = {
    "job": Format(_KIND, _job, weight=2.0),
    "comparison": Format(_KIND, _comparison),
    "networks": Format(_KIND, _networks),
}
