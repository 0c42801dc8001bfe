from __future__ import annotations

import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from results.evaluation import Evaluation, Provenance, RunRecord, Source
from search_spaces.candidate import Architecture, Candidate

CANDIDATE = Candidate(Architecture("made-up", 32, ()))


def test_values_become_plain_floats_detached_from_the_caller() -> None:
    values: dict[str, Any] = {"accuracy": np.float32(90.5)}
    evaluation = Evaluation(CANDIDATE, values, "measured", "a", 0, 1)
    values["accuracy"] = np.float32(0.0)
    assert json.dumps(dict(evaluation.values)) == '{"accuracy": 90.5}'
    assert pickle.loads(pickle.dumps(evaluation)) == evaluation
    assert hash(evaluation) == hash(Evaluation(CANDIDATE, {"accuracy": 90.5}, "measured", "a", 0, 1))


@pytest.mark.parametrize(
    ("values", "source", "sequence", "message"),
    [
        ({"accuracy": float("nan")}, "measured", 0, "finite"),
        ({}, "measured", 0, "one or more"),
        ({"accuracy": 1.0}, "guessed", 0, "measured.*got 'guessed'"),
        ({"accuracy": 1.0}, "measured", -1, "start at 0"),
    ],
)
def test_illegal_evaluations_cannot_be_made(
    values: dict[str, float], source: Source, sequence: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Evaluation(CANDIDATE, values, source, "a", sequence, 1)


def test_an_evaluation_has_values_or_a_failure() -> None:
    assert Evaluation(CANDIDATE, {}, "measured", "a", 0, 1, failure="out of memory").values == {}
    with pytest.raises(ValueError, match=r"failed \(out of memory\) has no values, got {'accuracy': 1.0}"):
        Evaluation(CANDIDATE, {"accuracy": 1.0}, "measured", "a", 0, 1, failure="out of memory")


@pytest.mark.parametrize("fidelity", [0.0, -0.5, 1.5, float("nan")])
def test_a_fidelity_is_a_share(fidelity: float) -> None:
    assert Evaluation(CANDIDATE, {"accuracy": 1.0}, "measured", "a", 0, 1).fidelity == 1.0
    with pytest.raises(ValueError, match="fidelity of an evaluation must be above 0 and at most 1"):
        Evaluation(CANDIDATE, {"accuracy": 1.0}, "measured", "a", 0, 1, fidelity=fidelity)


def test_provenance_tells_versions_and_the_state_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    outside = Provenance.now()
    assert outside.git == "none"
    assert {"python", "numpy", "torch"} <= set(outside.versions)

    identity = ["-c", "user.name=n", "-c", "user.email=e@x"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], check=True)
    clean = RunRecord("a", {}, 1).provenance.git
    assert clean != "none"
    assert "dirty" not in clean


def test_inputs_are_plain_json_detached_from_the_caller() -> None:
    inputs: dict[str, Any] = {"betas": (0.9, 0.99)}
    record = RunRecord("a", inputs, 1)
    inputs["betas"] = ()
    assert record.inputs == {"betas": [0.9, 0.99]}
    for illegal in (float("nan"), Path("x"), {1, 2}):
        with pytest.raises(ValueError, match="inputs of run 'a' must be plain JSON"):
            RunRecord("a", {"budget": illegal}, 1)  # type: ignore[dict-item]
