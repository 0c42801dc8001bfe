"""ResNet-20 without half and 70 % of its operations: rows of the table in `README.md`.

In: the folder of the reference data. The fine-tuned network loses channels until a share of its multiply-accumulate
operations is left: by widths that the exact solver allocates over measured damages, by the same share of all groups, by
the magnitudes of all channels, and by torch-pruning (extra `benchmark`) with its own importance. All of ours are fitted
on 1,024 training images without labels. Accuracy is that on all 10,000 test images, before and after one epoch over the
other training images, which is the same for all. `--latency` times the networks in onnxruntime instead.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from compress_resnet20 import BATCH, IMAGES, STUDENT, accuracy, traced_resnet20
from report import row
from torch import Tensor, nn

from hardware.profiling.stopwatch import Stopwatch
from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.registry import ALLOCATORS
from nas.compression.calibration_data import CalibrationData
from nas.compression.pruning.baselines import keep_most_important, keep_uniformly
from nas.compression.pruning.magnitude import Magnitude
from nas.compression.pruning.pruner import Pruner
from nas.compression.pruning.taylor import Taylor
from nas.compression.pruning.width_costs import budget_macs
from nas.compression.pruning.width_damage import WidthDamage
from nas.compression.pruning.widths import Widths
from nas.compression.repair.recipe import Recipe
from nas.compression.repair.repair import output_distance, outputs_on
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.data.normalization import Normalization
from nas.data.sources import load_images
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.channels.rule import KeptElements
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.operators.pointwise import BatchNorm

SHARES = (0.5, 0.3)  # of the operations that are left
SAMPLES, JUDGED = 3, 512  # samples of calibration images; how many of each judge damages
QUICK = Recipe(rows=4096)  # of the networks whose damage is measured
RATE, MOMENTUM, DECAY, STEP_IMAGES, SHIFT = 0.02, 0.9, 1e-4, 128, 4  # of the epoch: SGD, and images shifted by pixels
COMMAND = "python benchmarks/pruning.py DATA"
Images = tuple[Tensor, Tensor]


def load(data: Path, sample: int) -> tuple[CompressionSubject, Images, Images]:
    """The network with a sample of calibration images, the training images, and the test images."""
    torch.set_num_threads(1)
    normalization = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    splits = load_images(str(data / "cifar10"))
    train, test = ((normalization.inputs(split.images, 32), split.labels) for split in (splits.train, splits.test))
    calibration = CalibrationData(train[0][sample * IMAGES : (sample + 1) * IMAGES], batch=BATCH)
    subject = CompressionSubject.uniform_choices(traced_resnet20(data), [LayerPolicy()], calibration)
    return subject, train, test


def allocate(subject: CompressionSubject, widths: Widths, damage: tuple[FloatArray, ...], share: float) -> KeptElements:
    """The channels of the nearest network of two rounds of damages, the second around what the first one chose."""
    budget = budget_macs(widths, share * subject.traced.graph.macs)
    solver, pruner = ALLOCATORS["dynamic_program"](), Pruner(subject, widths.channels, QUICK)
    chosen = solver.allocate(AllocationProblem(damage, (budget,)))
    around = WidthDamage(QUICK).measure(subject, widths, chosen)
    tried = [widths.keep_chosen(one) for one in (chosen, solver.allocate(AllocationProblem(around, (budget,))))]
    tried.append(keep_uniformly(widths, budget.most))
    expected, data = outputs_on(subject.traced.network(), subject.need_data()), subject.need_data()
    distances = [float(output_distance(expected, outputs_on(pruner.prune(one).network(), data), None)) for one in tried]
    print("divergence allocated, again, uniform:", distances, file=sys.stderr, flush=True)
    return tried[int(np.argmin(distances))]


def prune_by_library(data: Path, share: float, everywhere: bool) -> TracedNetwork:
    """What torch-pruning leaves by its own importance: of the channels within blocks, as it loses padded shortcuts."""
    import torch_pruning
    from test_resnet20 import ResNet20

    from nas.compression.tracing.reference import load_weights

    examples, low, high = torch.randn(2, 3, 32, 32), 0.0, 1.0
    best, whole = None, traced_resnet20(data).graph.macs
    while high - low > 1e-3:
        module, ratio = ResNet20(), (low + high) / 2
        load_weights(module, data / "resnet20_cifar10" / "resnet20_jpeg_finetuned.safetensors")
        outer = [module.conv1, module.linear, *(m for name, m in module.named_modules() if name.endswith("conv2"))]
        importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
        options = {"global_pruning": everywhere, "pruning_ratio": ratio, "ignored_layers": outer}
        torch_pruning.pruner.MagnitudePruner(module.eval(), examples, importance, **options).step()
        found = trace(module, [examples])
        if found.graph.macs <= share * whole:
            best, high = found, ratio
        else:
            low = ratio
    assert best is not None
    return best


def make_trainable(traced: TracedNetwork) -> GraphNetwork:
    """A network whose batch norms take the statistics of batches while it is trained."""
    tensors = {
        name: tensor.detach().clone().requires_grad_(tensor.requires_grad) for name, tensor in traced.parameters.items()
    }
    norms: dict[str, nn.Module] = {}
    for node in traced.graph.nodes:
        if isinstance(node.operator, BatchNorm):
            norm = nn.BatchNorm2d(node.operator.channels, node.operator.eps)
            known = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
            with torch.no_grad():
                for tensor, name in zip(known, node.parameters, strict=True):
                    assert tensor is not None
                    tensor.copy_(tensors[name])
            norms[node.name] = norm
    return GraphNetwork(traced.graph, tensors, norms)


def train_epoch(traced: TracedNetwork, train: Images, seed: int) -> GraphNetwork:
    """The network after one epoch over all training images, flipped and shifted at random."""
    network, generator = make_trainable(traced).train(), torch.Generator().manual_seed(seed)
    descent = torch.optim.SGD(network.parameters(), RATE, MOMENTUM, weight_decay=DECAY, nesterov=True)
    batches = torch.randperm(len(train[0]), generator=generator).split(STEP_IMAGES)
    for step, part in enumerate(batches):
        descent.param_groups[0]["lr"] = RATE * (1 - step / len(batches))
        images = train[0][part]
        images = torch.where(torch.rand(len(part), 1, 1, 1, generator=generator) < 0.5, images.flip(3), images)
        row_shift, column_shift = torch.randint(0, 2 * SHIFT + 1, (2,), generator=generator).tolist()
        images = F.pad(images, [SHIFT] * 4)[:, :, row_shift : row_shift + 32, column_shift : column_shift + 32]
        descent.zero_grad()
        F.cross_entropy(network(images), train[1][part]).backward()
        descent.step()
    return network.eval()


def prune_all(data: Path, subject: CompressionSubject) -> dict[tuple[str, float], TracedNetwork]:
    """The pruned networks by how they were pruned and the share of operations that is left."""
    channels, fewer = (
        CoupledChannels.from_graph(subject.traced.graph),
        replace(subject, data=subject.need_data().take(JUDGED)),
    )
    magnitude, pruner = Magnitude().score(subject, channels), Pruner(subject, channels)
    by_magnitude, widths = (
        Widths.evenly(channels, magnitude),
        Widths.evenly(channels, Taylor(probes=4).score(subject, channels)),
    )
    begin = time.process_time()
    damage, found = WidthDamage(QUICK).measure(fewer, widths), {}
    print(f"damages: {time.process_time() - begin:.0f} s", file=sys.stderr, flush=True)
    for share in SHARES:
        most = share * subject.traced.graph.macs
        found["uniform widths by magnitude, fitted", share] = pruner.prune(keep_uniformly(by_magnitude, most))
        found["magnitudes of all channels, fitted", share] = pruner.prune(keep_most_important(widths, magnitude, most))
        found["allocated widths, fitted", share] = pruner.prune(allocate(fewer, widths, damage, share))
        found["torch-pruning, one share for all", share] = prune_by_library(data, share, everywhere=False)
        found["torch-pruning, all channels at once", share] = prune_by_library(data, share, everywhere=True)
    return found


def measure_sample(data: Path, sample: int) -> dict[str, float]:
    """Accuracies before and after the epoch, in percent."""
    subject, train, test = load(data, sample)
    percent = {}
    for (name, share), network in prune_all(data, subject).items():
        left = network.graph.macs / subject.traced.graph.macs
        title = f"ResNet-20, {1 - share:.0%} of MACs removed, {name}"
        percent[title] = accuracy(network.network(), *test)
        print(sample, title, f"{left:.3f} left, {percent[title]:.2f} %", file=sys.stderr, flush=True)
        begin = time.process_time()
        percent[f"{title}, after an epoch"] = accuracy(train_epoch(network, train, sample), *test)
        spent = f"{percent[f'{title}, after an epoch']:.2f} %, {time.process_time() - begin:.0f} s"
        print(sample, title, "after an epoch", spent, file=sys.stderr, flush=True)
    return percent


def run_once(session: onnxruntime.InferenceSession, images: FloatArray) -> None:
    run_session(session, images)


def measure_latency(data: Path) -> None:
    """Prints by how much latency falls, over by how much operations do."""
    subject, _, _ = load(data, 0)
    image = subject.need_data().inputs[:2]
    networks = {("whole", 1.0): subject.traced, **prune_all(data, subject)}
    sessions = [open_session(traced_to_onnx(one.network(), [image])) for one in networks.values()]
    timings = Stopwatch().time([partial(run_once, session, image[:1].numpy()) for session in sessions])
    for (name, share), network, timing in zip(networks, networks.values(), timings, strict=True):
        if share < 1:
            fallen = 1 - timing.latency_ms / timings[0].latency_ms
            promised = 1 - network.graph.macs / subject.traced.graph.macs
            target = (
                f"ResNet-20, {1 - share:.0%} of MACs removed, {name}: share by which latency falls over that of MACs"
            )
            print(row(f"{target}: at least 0.8", [fallen / promised], "{:.2f}", "1", f"{COMMAND} --latency", 1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--workers", type=int, default=1, help="samples that are measured at once")
    parser.add_argument("--latency", action="store_true", help="only time the networks of one sample")
    arguments = parser.parse_args()
    if arguments.latency:
        measure_latency(arguments.data)
        return
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        found = [*pool.map(measure_sample, repeat(arguments.data), range(SAMPLES))]
    for name in found[0]:
        samples = [percent[name] for percent in found]
        half = STUDENT * statistics.stdev(samples) / SAMPLES**0.5
        target = f"{name}; mean {statistics.mean(samples):.2f} ± {half:.2f} (95 %)"
        print(row(target, samples, "{:.2f} %", f"{SAMPLES} samples of calibration images", COMMAND, 1))


if __name__ == "__main__":
    main()
