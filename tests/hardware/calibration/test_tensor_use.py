"""Uses of tensors are written and read again, and cannot contradict themselves."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.calibration.tensor_use import NodeClass, Producer, Reader, TensorUse

FLOAT, INT8, INT4 = NodeClass("layer", "float"), NodeClass("layer", "int8"), NodeClass("layer", "int4", activated=True)
SUM, SOFTMAX = NodeClass("add", "int8"), NodeClass("softmax", "float")
CLASSES = [FLOAT, INT8, INT4, SUM, SOFTMAX]


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (TensorUse(Producer(FLOAT)), "float"),
        (TensorUse(Producer(INT4), (Reader("softmax"),)), "int4+activation -> 1 softmax"),
        (
            TensorUse(
                Producer.from_inputs("add", [INT8, FLOAT]),
                (Reader("int8"), Reader("gate", (INT4,), ("float", "int8", "int8")), Reader("int8"), Reader("float")),
            ),
            "add(int8, float) -> 1 float, 1 gate(int4+activation; 1 float, 2 int8), 2 int8",
        ),
        (TensorUse(Producer.from_inputs("concatenation", [SUM, SOFTMAX])), "concatenation(int8 add, float softmax)"),
    ],
)
def test_a_use_as_text(use: TensorUse, text: str) -> None:
    assert str(use) == text
    assert TensorUse.parse(text) == use


def test_every_use_is_read_as_it_was_written() -> None:
    rng = np.random.default_rng(0)

    def some(most: int) -> list[NodeClass]:
        return [CLASSES[index] for index in rng.integers(0, len(CLASSES), rng.integers(0, most + 1))]

    for _ in range(300):
        producer = Producer(CLASSES[0]) if rng.random() < 0.5 else Producer.from_inputs("matmul", some(3) or [INT8])
        beyond = [Reader(one.as_reader) for one in some(4)]
        readers = [Reader.from_node(one.as_reader, some(2), beyond) for one in some(6)]
        use = TensorUse(producer, tuple(readers))
        assert use == TensorUse(producer, tuple(readers[::-1]))  # whoever reads first
        assert TensorUse.parse(str(use)) == use


@pytest.mark.parametrize(
    "text", ["", "add(", "int8 -> ", "int8 -> int8", "int8 -> 1 add(float", "big int8 add", "a(b(c))"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is written like"):
        TensorUse.parse(text)


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="float add cannot be made of int8"):
        Producer(NodeClass("add", "float"), (INT8, FLOAT))
    with pytest.raises(ValueError, match="recorded only of nodes with several inputs"):
        Reader("pool", beyond=("int8",))
    with pytest.raises(ValueError, match="must be single words"):
        NodeClass("add, pool", "float")
