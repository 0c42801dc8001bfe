"""Times workloads in OpenVINO, which compiles a network for the batch at which it is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hardware.device import Device, read_fingerprint
from hardware.profiling.onnx_workload import build_onnx, draw_inputs
from hardware.profiling.openvino_model import check_openvino, compile_openvino, count_nodes, read_version
from hardware.profiling.profiler import OperatorCounts
from hardware.profiling.stopwatch import Stopwatch, Timing
from hardware.profiling.workload import OnnxNetwork, Workload


class OpenVinoProfiler:
    """Runs workloads in OpenVINO on this machine, on the threads of a device, with floats of 32 bits.

    Args:
        device: A device of the runtime `openvino`.
        stopwatch: Times the workloads; None for one with default settings.

    Raises:
        ValueError: If the device has another runtime, or OpenVINO is not installed.
    """

    def __init__(self, device: Device, stopwatch: Stopwatch | None = None) -> None:
        if device.runtime != "openvino":
            raise ValueError(f"OpenVinoProfiler times devices of runtime 'openvino', got {device.runtime!r}")
        check_openvino(f"device {device.name!r}")
        self.device = device
        self.stopwatch = stopwatch or Stopwatch()

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        """Times workloads in turns; all their models are open at once."""
        return self.stopwatch.time([_runner(build_onnx(one, self.device.batch), self.device) for one in workloads])

    def count_operators(self, workloads: Sequence[Workload]) -> list[OperatorCounts]:
        """Counts the nodes of each workload that OpenVINO runs at each inference, by type and precision."""
        networks = [build_onnx(one, self.device.batch) for one in workloads]
        return [count_nodes(compile_openvino(one.onnx, one.input_shape)) for one in networks]

    def fingerprint(self) -> dict[str, str]:
        """The fingerprint of this machine, with the version of OpenVINO."""
        return {**read_fingerprint(), "openvino": read_version()}


def _runner(network: OnnxNetwork, device: Device) -> Callable[[], None]:
    """A function that runs the network once, on a random input that is in place."""
    model = compile_openvino(network.onnx, network.input_shape, device.threads)
    import openvino  # after that, as it imports it without its telemetry

    request = model.create_infer_request()
    kind = model.input(0).get_element_type().to_dtype().type
    values = draw_inputs(kind, network.input_shape)
    request.set_input_tensor(openvino.Tensor(values))

    def run() -> None:
        request.start_async()
        request.wait()

    return run
