"""A search engine over neural architectures and compression policies.

In: names. Out: the public classes and functions, each loaded when it is first used, so that `import nas` is fast.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "build_supernet": "search_spaces.elastic.supernet",
    "Candidate": "search_spaces.candidate",
    "CandidateRealizer": "nas.evaluation.realize",
    "JointSpace": "search_spaces.joint_space",
    "Metric": "results.metric",
    "Objective": "nas.objectives",
    "Phase": "nas.training.schedules.phase",
    "PolicySpace": "search_spaces.policy_space",
    "Population": "search_spaces.joint_space",
    "ResultsDatabase": "results.database",
    "Schedule": "nas.training.schedules.schedule",
    "Split": "nas.training.schedules.phase",
    "TabularSpace": "search_spaces.families.tabular",
    "TrainingSettings": "nas.training.settings",
    "describe": "results.report",
    "hypervolume": "results.pareto",
    "load_images": "nas.data.sources",
    "metric": "results.metric",
    "non_dominated": "results.pareto",
    "open_session": "nas.export.onnx_model",
    "preset": "nas.training.schedules.presets",
    "provenance": "results.evaluation",
    "run_session": "nas.export.onnx_model",
    "run_search": "nas.search.loop",
    "search_space": "search_spaces.presets",
    "searcher": "nas.search.registry",
    "to_onnx": "nas.export.onnx_model",
    "train_supernet": "nas.training.trainer",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'nas' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_PUBLIC[name]), name)
