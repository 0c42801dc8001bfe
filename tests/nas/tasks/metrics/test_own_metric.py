"""A function of a user's code is a metric; what it returns and raises is told with its name."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from nas.tasks.metrics.own_metric import OwnMetric
from nas.user_code import UserCodeError
from results.metric import Metric

MODULE = """
import torch

def share(outputs, labels):
    return (outputs.argmax(1) == labels).float().mean()

def count(outputs, labels):
    return len(labels)

def each(outputs, labels):
    return outputs.argmax(1) == labels

def nothing(outputs, labels):
    pass

def yes(outputs, labels):
    return True

def broken(outputs, labels):
    return outputs @ labels

def undefined(outputs, labels):
    return torch.tensor(float("nan"))
"""
OUTPUTS, LABELS = torch.eye(4), torch.tensor([0, 1, 2, 0])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "measures_of_ones_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def own(name: str) -> OwnMetric:
    return OwnMetric(f"measures_of_ones_own:{name}", Metric("mine", "g", maximize=True))


def test_a_number_of_any_library_is_a_value() -> None:
    assert own("share").value(OUTPUTS, LABELS) == 0.75
    assert own("count").value(OUTPUTS, LABELS) == 4.0
    assert own("undefined").value(OUTPUTS, LABELS) != own("undefined").value(OUTPUTS, LABELS)  # the measurement fails
    assert pickle.loads(pickle.dumps(own("share"))) == own("share")
    assert own("share").metric.unit == "g"


@pytest.mark.parametrize(("name", "got"), [("each", "tensor"), ("nothing", "None"), ("yes", "True")])
def test_what_is_no_number_is_refused(name: str, got: str) -> None:
    with pytest.raises(ValueError, match=f"must return one number, got {got}.* from measures_of_ones_own:{name}"):
        own(name).value(OUTPUTS, LABELS)


def test_what_raises_is_named_with_file_and_line() -> None:
    with pytest.raises(UserCodeError, match=r"measures_of_ones_own:broken raised RuntimeError at .*own.py:20: "):
        own("broken").value(OUTPUTS, LABELS)
