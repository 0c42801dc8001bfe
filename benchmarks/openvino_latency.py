"""ResNet-20 in OpenVINO and in onnxruntime: rows of the table in `README.md`.

In: the folder of the reference data. The published network, calibrated on training images, is exported at uniform
policies for each runtime. All files are timed in turns, on one thread at batch 1, by the same stopwatch. Accuracy in
OpenVINO is that of its file on 2,000 test images, beside the share of answers that are those of torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from compress_resnet20 import NORMALIZATION, traced_resnet20
from report import row

from hardware.device import ONNXRUNTIME_CPU, OPENVINO_CPU
from hardware.profiling.openvino_model import compile_openvino, count_integer_layers
from hardware.profiling.openvino_profiler import OpenVinoProfiler
from hardware.profiling.profiler import OnnxRuntimeProfiler, Profiler
from hardware.profiling.stopwatch import Stopwatch, Timing
from hardware.profiling.workload import OnnxNetwork
from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.tracing.compress import compress
from nas.data.sources import load_images
from nas.export.agreement import check_openvino_agreement
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import run_session
from nas.export.target import ExportTarget
from nas.verification.openvino_session import open_openvino
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

POLICIES = ("w32a32", "w8a8", "w7a8", "w4a8")
TARGETS = {"onnxruntime": ExportTarget.parse(), "OpenVINO": ExportTarget.parse("openvino>=2025.0")}
IMAGES = 256  # training images that calibrate
TESTED = 2_000  # test images
SHAPE = (1, 3, 32, 32)
COMMAND = "python benchmarks/openvino_latency.py DATA"


@dataclass(frozen=True, slots=True)
class Collector(Stopwatch):
    """Collects what two profilers would time, so that all of it can be timed in turns."""

    functions: list[Callable[[], None]] = field(default_factory=list)

    def time(self, functions: Sequence[Callable[[], None]]) -> list[Timing]:
        self.functions.extend(functions)
        return []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    traced, splits = traced_resnet20(arguments.data), load_images(str(arguments.data / "cifar10"), limit=2_000)
    inputs = NORMALIZATION.inputs(splits.train.take(slice(0, IMAGES)).images, 32)
    tested = splits.test.take(slice(0, TESTED))
    test, labels = NORMALIZATION.inputs(tested.images, 32), tested.labels
    collector = Collector()
    profilers: dict[str, Profiler] = {
        "onnxruntime": OnnxRuntimeProfiler(ONNXRUNTIME_CPU, collector),
        "OpenVINO": OpenVinoProfiler(OPENVINO_CPU, collector),
    }
    for text in POLICIES:
        network = compress(traced, CompressionPolicy((LayerPolicy.parse(text),) * len(traced.graph.layers)))
        calibrate(network, [inputs])
        round_biases(network)
        files = {name: traced_to_onnx(network, [inputs[:2]], target) for name, target in TARGETS.items()}
        for name, profiler in profilers.items():
            profiler.time([OnnxNetwork(files[name], SHAPE)])
        session = open_openvino(files["OpenVINO"])
        check_openvino_agreement(network, session, test[:IMAGES])
        answers = torch.from_numpy(run_session(session, test.numpy())).argmax(1)
        with torch.no_grad():
            same = (answers == network(test).argmax(1)).double().mean().item()
        right = 100 * (answers == labels).double().mean().item()
        integers, layers = count_integer_layers(compile_openvino(files["OpenVINO"]))
        what = f"ResNet-20 {text} in OpenVINO, {integers} of {layers} layers in integers"
        print(row(f"{what}, accuracy", [right], "{:.2f} %", "1", COMMAND, 1), flush=True)
        print(row(f"{what}, answers that are those of torch", [100 * same], "{:.2f} %", "1", COMMAND, 1), flush=True)
    watch = Stopwatch(bound=0.0, limit_s=600.0, rounds=(arguments.rounds, arguments.rounds))
    found = iter(watch.time(collector.functions))
    latency_ms = {(text, name): next(found).latency_ms for text in POLICIES for name in profilers}
    base_ms = latency_ms[POLICIES[0], "onnxruntime"]
    for (text, name), ms in latency_ms.items():
        what = f"ResNet-20 {text} in {name}, batch 1, latency over that of fp32 in onnxruntime ({base_ms:.3f} ms)"
        print(row(what, [ms / base_ms], "{:.2f}", f"{arguments.rounds} turns", COMMAND, 1))


if __name__ == "__main__":
    main()
