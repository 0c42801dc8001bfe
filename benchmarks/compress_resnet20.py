"""Accuracy of ResNet-20 over mean bits of its weights, compressed without labels: rows of the table in `README.md`.

In: the folder of the reference data. The fine-tuned network is calibrated, allocated and repaired on 1,024 training
images without labels, by recipe `LIGHT`, with activations of 8 bits; accuracy is that on all 10,000 test images, which
nothing else has seen, and `behind fp32` how many points less than the network as it was given, with the standard error
of that difference on these images, of which both misjudge mostly the same. Each sample of calibration images is another
slice of the training images. Sizes between whole bits, and `mixed` ones, are allocated by the exact frontier over
damages that are measured after repair. Uniform ones are made in several ways (`Recipe.single_steps`), so the seconds of
one size are those of `mixed` ones. Seconds are those of one core (processor time), so they do not depend on what
else runs. `--front` times 20 sizes of one sample instead.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from report import row

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier
from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.methods import CompressionMethods
from nas.compression.observers.registry import OBSERVERS
from nas.compression.repair.repair import Repair
from nas.compression.repair.repair_network import Repairer
from nas.compression.sensitivity.repaired_divergence import RepairedDivergence
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.reference import load_weights
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.data.normalization import Normalization
from nas.data.sources import load_images
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

IMAGES, BATCH, SAMPLES = 1024, 64, 3
BITS = (2, 3, 4, 5, 6, 8)
UNIFORM, MIXED = (3, 4, 5, 6, 8), (2.5, 3.0, 4.0, 5.0, 6.0)
FRONT = tuple(np.linspace(2.5, 8.0, 20).tolist())
STUDENT = 4.303  # Student's t for a two-sided interval of 95 % over three samples
Images = tuple[torch.Tensor, torch.Tensor]  # inputs and labels
NORMALIZATION = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # with which it was trained
COMMAND = "taskset -c 0 python benchmarks/compress_resnet20.py DATA"


def traced_resnet20(data: Path) -> TracedNetwork:
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "nas" / "compression" / "tracing"))
    from test_resnet20 import ResNet20

    module = ResNet20()
    load_weights(module, data / "resnet20_cifar10" / "resnet20_jpeg_finetuned.safetensors")
    return trace(module, [torch.randn(2, 3, 32, 32)])


def uniform(traced: TracedNetwork, bits: int) -> CompressionPolicy:
    return CompressionPolicy((LayerPolicy.quantized(bits, 8),) * len(traced.graph.layers))


def allocate(
    subject: CompressionSubject, damage: tuple[FloatArray, ...], sizes: list[float]
) -> list[CompressionPolicy]:
    """The policies of least damage whose weights have these mean bits at most."""
    counts = [layer.operator.weights for layer in subject.traced.graph.layers]
    costs = tuple(np.array([float(count * bits) for bits in BITS]) for count in counts)
    budget = Budget("weight_bits", costs, max(BITS) * float(sum(counts)))
    chosen = Frontier.from_problem(AllocationProblem(damage, (budget,))).read_off(np.array(sizes) * sum(counts))
    return [CompressionPolicy(tuple(LayerPolicy.quantized(BITS[choice], 8) for choice in one)) for one in chosen]


def round_nearest(subject: CompressionSubject, policy: CompressionPolicy, step: Repair | None = None) -> GraphNetwork:
    """The network of nearest codes, with integer biases, after a repair or none."""
    network = subject.compress(policy)
    calibrate(network, subject.need_data(), subject.methods.observer)
    if step is not None:
        step.repair(network, subject)
    round_biases(network)
    return network


def fit(subject: CompressionSubject, policy: CompressionPolicy) -> GraphNetwork:
    """The network by the whole recipe `LIGHT`, with integer biases, whatever the policy."""
    network = Repairer(subject).fit(policy)
    round_biases(network)
    return network


def judge(network: GraphNetwork, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Whether each image is classified rightly, bool, shape (images,)."""
    network.keep_rounded_weights()
    return torch.cat([network(batch).argmax(1) for batch in images.split(50)]) == labels


def accuracy(network: GraphNetwork, images: torch.Tensor, labels: torch.Tensor) -> float:
    return percentage(judge(network, images, labels))


def percentage(right: torch.Tensor) -> float:
    return 100 * right.double().mean().item()


def load(data: Path, sample: int, observer: str = "percentile_99_99") -> tuple[CompressionSubject, Images]:
    """The network with a sample of calibration images, and the test images."""
    torch.set_num_threads(1)
    splits = load_images(str(data / "cifar10"), limit=10_000)
    images = splits.train.take(slice(sample * IMAGES, (sample + 1) * IMAGES)).images
    calibration = CalibrationData(NORMALIZATION.inputs(images, 32), batch=BATCH)
    choices = [LayerPolicy.quantized(bits, 8) for bits in BITS]
    methods = CompressionMethods(OBSERVERS[observer]())
    subject = CompressionSubject.uniform_choices(traced_resnet20(data), choices, calibration, methods)
    return subject, (NORMALIZATION.inputs(splits.test.images, 32), splits.test.labels)


def measure_sample(
    data: Path, observer: str, mixed: bool, sample: int
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """What each policy classifies rightly, and seconds by step, with one sample of calibration images."""
    subject, test = load(data, sample, observer)
    right, repair_s = {"fp32": judge(subject.traced.network(), *test)}, []
    repairer = Repairer(subject)

    def measure(name: str, policy: CompressionPolicy) -> None:
        begin = time.process_time()
        network = repairer.repair(policy)
        repair_s.append(time.process_time() - begin)
        right[name] = judge(network, *test)
        print(sample, name, f"{percentage(right[name]):.2f} %, {repair_s[-1]:.1f} s", file=sys.stderr, flush=True)

    for bits in UNIFORM:
        measure(f"uniform, {bits} bits", uniform(subject.traced, bits))
    if not mixed:
        return right, {}
    begin = time.process_time()
    damage = RepairedDivergence().damage(subject)
    damages_s = time.process_time() - begin
    repair_s.clear()  # uniform policies are made in several ways
    for size, policy in zip(MIXED, allocate(subject, damage, list(MIXED)), strict=True):
        measure(f"mixed, {size:g} mean bits", policy)
    return right, {"damages of all layers and bits": damages_s, "one size, repaired": statistics.median(repair_s)}


def time_front(data: Path) -> float:
    """Seconds for a front of 20 sizes, all repaired, with the damages by which they are allocated."""
    subject, _ = load(data, 0)
    begin = time.process_time()
    damage, repairer = RepairedDivergence().damage(subject), Repairer(subject)
    for policy in allocate(subject, damage, list(FRONT)):
        repairer.repair(policy)
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--workers", type=int, default=1, help="samples that are measured at once")
    parser.add_argument("--uniform", action="store_true", help="only measure uniform policies")
    parser.add_argument("--observer", default="percentile_99_99", help="what takes ranges of activations")
    parser.add_argument("--front", action="store_true", help="only time a front of 20 sizes")
    arguments = parser.parse_args()
    if arguments.front:
        target = "ResNet-20, front of 20 sizes from 2.5 to 8 mean bits, repaired: under 600 s"
        print(row(target, [time_front(arguments.data)], "{:.0f} s", "1", f"{COMMAND} --front", 1))
        return
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        measure = partial(measure_sample, arguments.data, arguments.observer, not arguments.uniform)
        found = [*pool.map(measure, range(SAMPLES))]
    command, by = f"{COMMAND}{' --uniform' * arguments.uniform}", ""
    if arguments.observer != parser.get_default("observer"):
        command, by = f"{command} --observer {arguments.observer}", f", ranges by `{arguments.observer}`"
    for name in found[0][0]:
        samples = [percentage(right[name]) for right, _ in found]
        half = STUDENT * statistics.stdev(samples) / SAMPLES**0.5
        behind = torch.stack([right["fp32"].double() - right[name].double() for right, _ in found]).mean(0)
        error = 100 * behind.std().item() / len(behind) ** 0.5
        target = f"ResNet-20, {name}{by}; mean {statistics.mean(samples):.2f} ± {half:.2f} (95 %), "
        target += f"{100 * behind.mean().item():.2f} behind fp32 (standard error {error:.2f})"
        print(row(target, samples, "{:.2f} %", f"{SAMPLES} samples of calibration images", command, 1))
    for name in found[0][1]:
        samples = [seconds[name] for _, seconds in found]
        print(row(f"ResNet-20, {name}{by}", samples, "{:.1f} s", f"{SAMPLES} samples", command, 1))


if __name__ == "__main__":
    main()
