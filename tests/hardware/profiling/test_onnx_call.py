from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.profiling.onnx_call import Call
from search_spaces.operators.products import Add


class Notes:
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, list[str], dict[str, Any] | None]] = []
        self.constants: list[NDArray[Any]] = []

    def node(self, op: str, inputs: list[str], attributes: dict[str, Any] | None = None) -> str:
        self.nodes.append((op, inputs, attributes))
        return f"node_{len(self.nodes)}"

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        self.constants.append(np.asarray(values))
        return f"constant_{len(self.constants)}"


def test_a_form_names_what_it_writes() -> None:
    notes = Notes()
    call = Call(notes, Add(), ["a", "b"], [], [(3,), (3,)])
    assert call.node("Sum", *call.inputs, axis=1) == "node_1"
    assert notes.nodes == [("Sum", ["a", "b"], {"axis": 1})]
    assert (call.integers(1, 2), call.number(0.5), call.filled((2,), 3)) == ("constant_1", "constant_2", "constant_3")
    assert [values.tolist() for values in notes.constants] == [[1, 2], 0.5, [3, 3]]
    assert [values.dtype for values in notes.constants] == [np.int64, np.float32, np.float32]
