"""Times workloads in torch, in evaluation mode: layers with folded normalisation, images in channels-last format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from hardware.device import Device, read_fingerprint, read_gpu_fingerprint
from hardware.profiling.profiler import OperatorCounts
from hardware.profiling.stopwatch import Stopwatch, Timing
from hardware.profiling.workload import OnnxNetwork, RandomNetwork, ReplicatedLayer, Workload
from search_spaces.dataflow import IMAGES
from search_spaces.elastic.layer import WeightedOperator
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.wiring import Walk
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution


class TorchProfiler:
    """Runs workloads in torch on this machine, on the processor and the threads of a device.

    Args:
        device: A device whose runtime is torch.
        stopwatch: Times the workloads, and decides how often they are repeated; None is a default one.

    Raises:
        ValueError: If the device has another runtime, or needs a GPU that this machine lacks.
    """

    def __init__(self, device: Device, stopwatch: Stopwatch | None = None) -> None:
        if device.runtime != "torch":
            raise ValueError(f"TorchProfiler times devices of runtime 'torch', got {device.runtime!r}")
        if device.processor == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device {device.name!r} needs a CUDA device, and torch sees none")
        self.device = device
        self.stopwatch = stopwatch or Stopwatch()

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        """Times workloads in turns; all of them are in memory at once."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self.device.threads)
        try:
            return self.stopwatch.time([self._runner(workload) for workload in workloads])
        finally:
            torch.set_num_threads(threads)

    def count_operators(self, workloads: Sequence[Workload]) -> list[OperatorCounts]:
        """Counts the operators without weights in each workload, and the elements of their outputs."""
        return [_count_joins(*self._module(workload)) for workload in workloads]

    def fingerprint(self) -> dict[str, str]:
        """The fingerprint of this machine, with the version of torch."""
        gpu = read_gpu_fingerprint() if self.device.processor == "cuda" else {}
        return {**read_fingerprint(), "torch": torch.__version__, **gpu}

    def _runner(self, workload: Workload) -> Callable[[], None]:
        module, inputs = self._module(workload)
        on_gpu = self.device.processor == "cuda"

        def run() -> None:
            with torch.inference_mode():
                module(inputs)
            if on_gpu:
                torch.cuda.synchronize()

        return run

    def _module(self, workload: Workload) -> tuple[nn.Module, Tensor]:
        """The workload as a module, and a random input for it."""
        if isinstance(workload, OnnxNetwork):
            raise ValueError(f"device {self.device.name!r} runs no ONNX files")
        module: nn.Module = nn.Identity()
        shape = [1]
        if isinstance(workload, ReplicatedLayer):
            module, shape = _Replicas(workload), list(workload.layer.input_shape)
        elif isinstance(workload, RandomNetwork):
            module, shape = _Network(workload), list(workload.inputs[IMAGES])
        inputs = torch.rand(self.device.batch, *shape, generator=torch.Generator().manual_seed(0))
        inputs, module = inputs.to(self.device.processor), module.eval().to(self.device.processor)
        if inputs.dim() < 4:
            return module, inputs
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module, inputs.contiguous(memory_format=torch.channels_last)


class _Layer(nn.Module):
    """A layer with random weights, its normalisation folded."""

    def __init__(self, layer: LayerSpec) -> None:
        super().__init__()
        operator = layer.operator
        if layer.normalized and isinstance(operator, Convolution):
            operator = replace(operator, bias=True)
        self.op, self.activation = WeightedOperator(operator), layer.activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.op(x)
        return x if self.activation is None else run_operator(self.activation, [x])


class _Replicas(nn.Module):
    def __init__(self, replicas: ReplicatedLayer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(replicas.layer) for _ in range(replicas.count))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            outputs = layer(x)
        return outputs


class _Join(nn.Module):
    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, *inputs: Tensor) -> Tensor:
        return run_operator(self.operator, inputs)


class _Network(nn.Module):
    def __init__(self, network: RandomNetwork) -> None:
        super().__init__()
        parts = [
            _Layer(placed[0]) if (placed := network.layer_at(node)) else _Join(node.operator) for node in network.nodes
        ]
        self.parts = nn.ModuleList(parts)
        self._parts = {node.name: part for node, part in zip(network.nodes, parts, strict=True)}
        self._walk = Walk(network.nodes, [network.nodes[-1].name])

    def forward(self, images: Tensor) -> Tensor:
        (output,) = self._walk({IMAGES: images}, lambda node, inputs: self._parts[node.name](*inputs))
        return output


def _count_joins(module: nn.Module, inputs: Tensor) -> OperatorCounts:
    """By name of each operator without weights: how often it runs, and the number of elements of its outputs."""
    elements: dict[str, list[int]] = defaultdict(list)
    for part in module.modules():
        if isinstance(part, _Join):
            part.register_forward_hook(lambda join, _, output: elements[join.operator.name].append(output.numel()))
    with torch.inference_mode():
        module(inputs)
    return {kind: (len(found), float(sum(found))) for kind, found in elements.items()}
