"""Quantised MobileNetV3 at 224 pixels beside its own floating point in onnxruntime: rows of the table in `README.md`.

In: nothing. A subnet of `mobilenet_v3_imagenet` with random weights is exported at uniform policies. The files are
timed in turns on one thread at batch 1, and which part of that convolutions take is read off the runtime's profile.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from report import row

from hardware.device import ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.stopwatch import Stopwatch
from hardware.profiling.workload import OnnxNetwork
from nas.compression.compress import apply_policy, calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.observers.percentile import Percentile
from nas.export.onnx_model import to_onnx
from nas.training.recalibration import recalibrate_batch_norm
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

POLICIES = ("w32a32", "w8a8", "w7a8", "w4a8", "w4a4")
SIDE, SEED = 224, 0
CONVOLUTIONS = ("Conv", "FusedConv", "QLinearConv")
COMMAND = "python benchmarks/mobilenet_latency.py"


def measure_share(model: bytes, runs: int) -> float:
    """Percentage of the time of all kernels that the convolutions of a file take."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = 1, True
    with TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        image = np.random.default_rng(SEED).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
        for _ in range(runs):
            session.run(None, {session.get_inputs()[0].name: image})
        events = json.loads(Path(session.end_profiling()).read_text())
    kernels = [(event["args"]["op_name"], event["dur"]) for event in events if event["name"].endswith("kernel_time")]
    taken = sum(time for kind, time in kernels if kind in CONVOLUTIONS)
    return 100 * float(taken / sum(time for _, time in kernels))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40, help="turns of each file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    space = create_space("mobilenet_v3_imagenet", 3, 1000)
    architecture = JointSpace(space).sample(np.random.default_rng(SEED), 1)[0].architecture
    layers, supernet = space.layers(architecture), build_supernet(space, SEED).eval()
    noise = torch.randn(8, 3, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(SEED))
    images, files = F.interpolate(noise, size=SIDE, mode="bicubic"), {}
    for text in POLICIES:
        plain = supernet.extract(architecture)
        recalibrate_batch_norm(plain, [images])
        network = apply_policy(plain, layers, CompressionPolicy((LayerPolicy.parse(text),) * len(layers)))
        calibrate(network, [images], Percentile(99.99))
        round_biases(network)
        files[text] = to_onnx(network, (3, SIDE, SIDE))
    watch = Stopwatch(bound=0.0, limit_s=600.0, rounds=(arguments.rounds, arguments.rounds))
    shape = (1, 3, SIDE, SIDE)
    timings = OnnxRuntimeProfiler(ONNXRUNTIME_CPU, watch).time([OnnxNetwork(file, shape) for file in files.values()])
    latency_ms = dict(zip(files, (timing.latency_ms for timing in timings), strict=True))
    base_ms, turns = latency_ms[POLICIES[0]], f"{arguments.rounds} turns"
    what = f"MobileNetV3 at {SIDE} pixels, {len(layers)} layers"
    for text, ms in latency_ms.items():
        aim = ": at least 1.5" if text in ("w8a8", "w7a8") else ""
        print(
            row(f"{what}, {text}: speed over fp32 ({base_ms:.2f} ms){aim}", [base_ms / ms], "{:.2f}", turns, COMMAND, 1)
        )
        share = measure_share(files[text], arguments.rounds)
        print(row(f"{what}, {text}: share of its convolutions", [share], "{:.0f} %", turns, COMMAND, 1), flush=True)


if __name__ == "__main__":
    main()
