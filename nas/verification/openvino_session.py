"""Exported models in OpenVINO, by the interface that sessions of onnxruntime have, so that checks run either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from hardware.profiling.openvino_model import check_openvino, compile_openvino

if TYPE_CHECKING:
    import onnxruntime
    import openvino


@dataclass(frozen=True)
class _Argument:
    """An input of a model: its name, and its shape, in which an axis of any size has no number."""

    name: str
    shape: tuple[int | None, ...]


class _OpenVinoSession:
    """What is used of an `onnxruntime.InferenceSession`, on one thread of the CPU."""

    def __init__(self, model: openvino.CompiledModel) -> None:
        self._model = model

    def get_inputs(self) -> list[_Argument]:
        return [_Argument(one.get_any_name(), _read_shape(one.partial_shape)) for one in self._model.inputs]

    def run(self, _: None, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        found = self._model(dict(inputs))
        return [np.array(found[one]) for one in self._model.outputs]


def open_openvino(model: bytes) -> onnxruntime.InferenceSession:
    """A model in OpenVINO, on one thread of the CPU; it has the methods `get_inputs` and `run` of a session.

    Args:
        model: An ONNX file.

    Raises:
        ValueError: If OpenVINO is not installed.
        RuntimeError: If it cannot load the file.
    """
    check_openvino("an export for openvino, which is checked in it,")
    return as_session(compile_openvino(model))


def as_session(model: openvino.CompiledModel) -> onnxruntime.InferenceSession:
    """A compiled model, with the methods `get_inputs` and `run` of a session.

    Args:
        model: A result of `compile_openvino`.
    """
    return cast("onnxruntime.InferenceSession", _OpenVinoSession(model))


def _read_shape(shape: openvino.PartialShape) -> tuple[int | None, ...]:
    return tuple(side.get_length() if side.is_static else None for side in shape)
