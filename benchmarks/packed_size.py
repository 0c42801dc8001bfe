"""Packed weights against the same integers in bytes, of ResNet-20: rows of the table in `README.md`.

In: the folder of the reference data. Weights are rounded to the nearest codes, as neither sizes nor latency depend on
which codes they are; both files of a policy must give equal outputs on 1,000 test images, so their accuracy is equal.
Latencies are those of one input on one thread: both sessions are timed in turns, and the ratio is that of medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from compress_resnet20 import NORMALIZATION, traced_resnet20
from report import row

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.subject import CompressionSubject
from nas.data.sources import load_images
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session
from nas.export.target import ExportTarget
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

COMMAND = "taskset -c 0 python benchmarks/packed_size.py DATA"
MIXED = (8, 6, 6, 6, 5, 5, 5, 5, 6, 6, 5, 4, 4, 4, 4, 4, 4, 3, 3, 3)  # 4 bits on average over the weights
BYTES = ExportTarget(storage="bytes")
PACKED = {
    "planes of bits": ExportTarget(),
    "4-bit type": ExportTarget(oldest=(1, 23)),
    "4- and 2-bit types": ExportTarget(oldest=(1, 24)),
}
ROUNDS, RUNS = 11, 50


def time_ratio(packed: bytes, plain: bytes, image: np.ndarray) -> list[float]:
    """Ratios of latencies, one of each round."""
    sessions, ratios = [open_session(packed), open_session(plain)], []
    for _ in range(ROUNDS):
        taken: list[list[float]] = [[], []]
        for _ in range(RUNS):
            for session, times in zip(sessions, taken, strict=True):
                begin = time.perf_counter()
                run_session(session, image)
                times.append(time.perf_counter() - begin)
        ratios.append(statistics.median(taken[0]) / statistics.median(taken[1]))
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--sizes", action="store_true", help="time nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    splits = load_images(str(arguments.data / "cifar10"), limit=2000)
    calibration, test = (NORMALIZATION.inputs(part.images, 32) for part in (splits.train, splits.test))
    traced, calibration = traced_resnet20(arguments.data), calibration[:256]
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy()], CalibrationData(calibration))
    weights = [layer.operator.weights for layer in traced.graph.layers]
    policies = {f"{bits} bits": (bits,) * len(weights) for bits in range(2, 8)} | {"mixed": MIXED}
    for name, bits in policies.items():
        network = subject.compress(CompressionPolicy(tuple(LayerPolicy.quantized(one, 8) for one in bits)))
        calibrate(network, [calibration])
        round_biases(network)
        plain = traced_to_onnx(network, [calibration[:2]], BYTES)
        expected = run_session(open_session(plain), test[:1000].numpy())
        mean = np.dot(bits, weights) / sum(weights)
        for form, target in PACKED.items():
            packed = traced_to_onnx(network, [calibration[:2]], target)
            if not np.array_equal(run_session(open_session(packed), test[:1000].numpy()), expected):
                raise ValueError(f"packed weights must give the outputs of those in bytes; {form} at {name} does not")
            what = f"ResNet-20, {name} ({mean:.2f} on average), {form}: file over that of bytes"
            bound = ": at most 0.55" if mean <= 4 else ""
            print(row(what + bound, [len(packed) / len(plain)], "{:.3f}", "1", COMMAND, 1), flush=True)
            if not arguments.sizes:
                ratios = time_ratio(packed, plain, test[:1].numpy())
                what = f"ResNet-20, {name}, {form}: latency over that of bytes: at most 1.05"
                print(row(what, ratios, "{:.3f}", f"{ROUNDS} rounds of {RUNS}", COMMAND, 1), flush=True)


if __name__ == "__main__":
    main()
