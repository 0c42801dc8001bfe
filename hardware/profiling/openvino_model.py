"""ONNX files in OpenVINO, on the CPU of this machine, and what its plugin makes of them.

Settings are those by which a file computes what it computes elsewhere: without them, OpenVINO takes 16 bits for floats
on processors that are faster with these, and as many threads as there are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino

_WEIGHTED = ("Convolution", "Deconvolution", "FullyConnected")
_FIXED = ("Const", "Input", "Output")
_INTEGERS = "I8"


def check_openvino(asker: str) -> None:
    """Makes sure that OpenVINO is installed.

    Args:
        asker: What needs it, for the error.

    Raises:
        ValueError: If it is not.
    """
    if find_spec("openvino") is None:
        raise ValueError(
            f"{asker} needs OpenVINO; in the folder of this project: pip install -c constraints.txt -e '.[openvino]'"
        )


def read_version() -> str:
    """The version of OpenVINO that is installed."""
    return version("openvino")


def compile_openvino(onnx: bytes, shape: tuple[int, ...] | None = None, threads: int = 1) -> openvino.CompiledModel:
    """A model that is ready to run, optimised for the least latency of one inference.

    Args:
        onnx: An ONNX file with one input.
        shape: Shape that the input is fixed to, with the batch axis; None leaves it as the file has it.
        threads: Number of compute threads.

    Raises:
        RuntimeError: If OpenVINO cannot load it.
    """
    core = _open_core()
    model = core.read_model(onnx)
    if shape is not None:
        model.reshape([*shape])
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # processes that measure side by side would all be pinned to the first core
    }
    return core.compile_model(model, "CPU", settings)


def run_openvino(model: openvino.CompiledModel, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """The first output of a model with one input, such as logits of shape (batch, classes).

    Args:
        model: A result of `compile_openvino`.
        inputs: The input, shape (batch, ...).
    """
    return np.array(model([np.ascontiguousarray(inputs)])[0])


def count_nodes(model: openvino.CompiledModel) -> Mapping[str, tuple[int, float]]:
    """The nodes that run at each inference, by type and precision: their number, and that of elements of first outputs.

    Args:
        model: A model whose shapes are all fixed.
    """
    counts: dict[str, tuple[int, float]] = {}
    for node, kind, precision in _list_nodes(model):
        count, elements = counts.get(f"{kind} {precision}", (0, 0.0))
        counts[f"{kind} {precision}"] = count + 1, elements + prod(node.get_output_shape(0))
    return counts


def count_integer_layers(model: openvino.CompiledModel) -> tuple[int, int]:
    """The number of layers with weights that run in integers, and the number of all of them.

    Args:
        model: A result of `compile_openvino`.
    """
    precisions = [precision for _, kind, precision in _list_nodes(model) if kind in _WEIGHTED]
    return precisions.count(_INTEGERS), len(precisions)


def _list_nodes(model: openvino.CompiledModel) -> Iterator[tuple[Any, str, str]]:
    """The nodes that run at each inference, with type and precision of the kernel; others ran while compiling."""
    constant: set[str] = set()
    for node in model.get_runtime_model().get_ordered_ops():
        facts = node.get_rt_info()
        kind = facts["layerType"].astype(str)
        sources = [node.input_value(index).get_node().get_name() for index in range(node.get_input_size())]
        if kind == "Const" or (sources and constant.issuperset(sources)):
            constant.add(node.get_name())
        elif kind not in _FIXED:
            yield node, kind, facts["primitiveType"].astype(str).rpartition("_")[2]  # such as jit_avx2_I8


@cache
def _open_core() -> openvino.Core:
    """OpenVINO without its telemetry, which tells its makers of each use, and in a thread that outlives the program."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
    import openvino

    return openvino.Core()
