"""Sessions of onnxruntime on one thread of the CPU: of a graph as it is written, and of what is made of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime


def open_session(
    model: bytes, optimized: bool = True, optimized_path: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session on one thread of the CPU.

    Args:
        model: An ONNX file.
        optimized: Whether the graph is optimised in every way that onnxruntime has, or run as it is written.
        optimized_path: Where onnxruntime writes the graph that it runs; None writes none.

    Raises:
        Exception: If onnxruntime refuses it; it has an error of its own for each reason, and these share no other base.
    """
    import onnxruntime

    options, levels = onnxruntime.SessionOptions(), onnxruntime.GraphOptimizationLevel
    options.intra_op_num_threads = 1
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors only
    if optimized_path is not None:
        options.optimized_model_filepath = str(optimized_path)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_session(session: onnxruntime.InferenceSession, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """The first output of a model with one input, such as logits of shape (batch, classes).

    A model of a fixed batch is run as often as that takes, and what fills its last batch up is left out.

    Args:
        session: A session of onnxruntime on the model.
        inputs: The input, shape (batch, ...).
    """
    (given,) = session.get_inputs()
    batch, count = given.shape[0] if given.shape else None, len(inputs)
    if not isinstance(batch, int) or batch == count:
        first, *_ = session.run(None, {given.name: np.ascontiguousarray(inputs)})
        return np.asarray(first)
    filled = np.concatenate([inputs, np.repeat(inputs[-1:], -count % batch, axis=0)])
    parts = [run_session(session, filled[start : start + batch]) for start in range(0, len(filled), batch)]
    return np.concatenate(parts)[:count]


def optimize(model: bytes) -> bytes:
    """The graph that onnxruntime runs on this machine instead of the one that is written.

    Args:
        model: An ONNX file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        open_session(model, optimized_path=path)
        return path.read_bytes()
