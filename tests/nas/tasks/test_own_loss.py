"""Labels go to a loss of a user's code as they come; what it returns and raises is told with its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nas.tasks.own_loss import OwnLoss
from nas.tasks.task import RawLabels
from nas.user_code import UserCodeError

MODULE = """
import torch
import torch.nn.functional as F

def huber(outputs, labels):
    return F.huber_loss(outputs, labels)

def focal(outputs, labels):
    log = F.log_softmax(outputs, 1)[torch.arange(len(labels)), labels]
    return (-(1 - log.exp()) ** 2 * log).mean()

def each(outputs, labels):
    return (outputs - labels) ** 2

def constant(outputs, labels):
    return torch.tensor(1.0)

def broken(outputs, labels):
    return outputs.nowhere
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "losses_of_ones_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def own(name: str, outputs: int | None = None) -> OwnLoss:
    return OwnLoss(f"losses_of_ones_own:{name}", outputs)


def raw(values: list[Any]) -> RawLabels:
    return RawLabels(values, lambda row: f"here row {row}", "here")


@pytest.mark.parametrize(
    ("values", "shape", "dtype", "names"),
    [
        (["b", "a", "b"], (3,), torch.int64, ("a", "b")),
        ([2, 0, 1], (3,), torch.int64, ("0", "1", "2")),
        ([0.5, 1, 2], (3, 1), torch.float32, ("0",)),
        ([[1, 0], [2**40, 5], [0, 1]], (3, 2), torch.int64, ("0", "1")),
        ([[1.5, 0], [1, 1], [0, 1]], (3, 2), torch.float32, ("0", "1")),
    ],
)
def test_labels_are_taken_as_they_come(
    values: list[Any], shape: tuple[int, ...], dtype: torch.dtype, names: tuple[str, ...]
) -> None:
    found = own("huber").encode([raw(values)], None)
    assert (found.labels[0].shape, found.labels[0].dtype, found.names) == (shape, dtype, names)
    if dtype == torch.int64 and len(shape) == 2:
        assert found.labels[0].tolist() == values  # whole, where single precision would round
    assert own("huber", 4).encode([raw(values)], None).names == ("0", "1", "2", "3")
    assert own("huber").find_strata(found.labels[0]).shape == (3,)


def test_the_number_of_outputs_must_be_told() -> None:
    with pytest.raises(ValueError, match="integers from -1 to 3, which do not tell the number of outputs; state it in"):
        own("huber").encode([raw([-1, 3])], None)
    assert own("huber", 1).encode([raw([-1, 3])], None).labels[0].tolist() == [-1, 3]
    with pytest.raises(ValueError, match="got none in here row 1"):
        own("huber").encode([raw([1, None])], None)


def test_a_loss_is_tried_before_anything_runs() -> None:
    numbers, classes = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3
    own("huber").check_training(numbers, ("a", "b"))
    own("focal").check_training(classes, ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"must return one number as a tensor.*\(32, 2\) from losses_of_ones_own:each"):
        own("each").check_training(numbers, ("a", "b"))
    with pytest.raises(ValueError, match="that of losses_of_ones_own:constant has no gradient"):
        own("constant").check_training(numbers, ("a", "b"))
    with pytest.raises(UserCodeError, match=r"broken raised AttributeError at .*own.py:19: "):
        own("broken").check_training(numbers, ("a", "b"))
    with pytest.raises(ValueError, match="cannot be imported"):
        own("absent").check_training(numbers, ("a", "b"))
