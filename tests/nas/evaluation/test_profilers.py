"""A profiler is created for a device of this machine, or it is said why not."""

from __future__ import annotations

import pytest
import torch

from hardware.device import ONNXRUNTIME_CPU, TORCH_CPU, TORCH_CUDA, Device
from hardware.profiling.profiler import OnnxRuntimeProfiler
from nas.evaluation.profilers import create_profiler
from nas.evaluation.torch_profiler import TorchProfiler


def test_the_runtime_of_a_device_decides() -> None:
    assert isinstance(create_profiler(ONNXRUNTIME_CPU), OnnxRuntimeProfiler)
    assert isinstance(create_profiler(TORCH_CPU), TorchProfiler)


def test_what_this_machine_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown runtime 'tflite'; known runtimes: onnxruntime, openvino, torch"):
        create_profiler(Device("phone", "tflite"))
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'torch_cuda' needs a CUDA device"):
            create_profiler(TORCH_CUDA)
