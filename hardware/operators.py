"""What onnxruntime makes of a network: the operators that it runs after all its optimisations.

In: a network. Out: how many operators of each type it runs, and on how many elements. Knows no latency.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from hardware.profiler import Network

Operators = Mapping[str, tuple[int, float]]


def executed_operators(network: Network) -> Operators:
    """Number of operators and of elements of their outputs, by type, of one run on the CPU."""
    import onnxruntime as ort

    with TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "run")
        session = ort.InferenceSession(network.onnx, options, providers=["CPUExecutionProvider"])
        (argument,) = session.get_inputs()
        session.run(None, {argument.name: np.zeros(network.input_shape, dtype=np.float32)})
        events = json.loads(Path(session.end_profiling()).read_text())
    counts: dict[str, int] = defaultdict(int)
    elements: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            operator, outputs = event["args"]["op_name"], event["args"]["output_type_shape"]
            counts[operator] += 1
            elements[operator] += sum(prod(shape) for output in outputs[:1] for shape in output.values())
    return {operator: (count, elements[operator]) for operator, count in counts.items()}
