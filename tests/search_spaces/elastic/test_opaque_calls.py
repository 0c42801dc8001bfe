"""Opaque operators call what torch offers, filled in with inputs, batch sizes and types, and nothing else."""

from __future__ import annotations

import pytest
import torch

from search_spaces.elastic.opaque_calls import call_opaque, find_torch_operation
from search_spaces.operators.opaque import Opaque


def test_data_stands_for_inputs_batch_sizes_and_types() -> None:
    zeros = Opaque("aten.zeros.default", '[[[{"batch":2},3]],{"dtype":{"dtype":"int64"}}]', (3,))
    found = call_opaque(zeros, [], batch=4)
    assert (found.shape, found.dtype) == ((8, 3), torch.int64)
    joined = Opaque("aten.cat.default", '[[[{"input":1},{"input":0}],-1],{}]', (4,))
    assert call_opaque(joined, [torch.zeros(1, 2), torch.ones(1, 2)]).tolist() == [[1, 1, 0, 0]]


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("aten.nothing.default", "calls an operation of torch"),
        ("os.system", "calls an operation of torch"),
        ("aten.add_.Tensor", "calls an operation that leaves its arguments as they are"),
        ("aten.from_file.default", "computes with tensors, and reaches no files"),
    ],
)
def test_only_operations_of_torch_that_compute_are_called(target: str, line: str) -> None:
    with pytest.raises(ValueError, match=rf"an opaque node {line}.*got '{target}'"):
        find_torch_operation(target)
