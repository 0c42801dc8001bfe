"""Exported files of random policies, held against what was promised of them: rows and a table for `README.md`.

In: the folder of the reference data. Of each family, trained on digits, 20 random candidates, and of ResNet-20 with its
published weights, 20 policies: 2 to 8 bits and floating point mixed, activations of 8 bits. Each is compressed,
exported, put through all checks of an export, and timed; size and latency are held against those that were predicted,
by the policy and by a latency table that is made as `nas profile` makes it. Out: rows, and a file with a line for each
candidate. `--zoo` does so with ten networks of the zoo at uniform 8 and 4 bits, whose latency is held against that of
fp32 alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from compress_resnet20 import NORMALIZATION, traced_resnet20
from compress_zoo import NETWORKS, make_inputs
from latency_error import PRECISE, made_table
from report import row
from torch import Tensor, nn
from zoo import enliven, makers

from hardware.calibration.fit_quality import FitQuality
from hardware.device import ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.workload import OnnxNetwork
from hardware.tables.pricing import tabulate_prices
from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.observers.percentile import Percentile
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.data.sources import load_images
from nas.evaluation.given_workloads import GivenWorkloads
from nas.evaluation.realize import CandidateRealizer
from nas.export.agreement import ExportMismatch, compute_reference
from nas.export.description import NetworkDescription
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session, to_onnx
from nas.export.target import DEFAULT_TARGET
from nas.training.plan import TrainingPlan
from nas.training.recalibration import recalibrate_batch_norm
from nas.training.schedules.registry import create_schedule
from nas.training.trainer import train_supernet
from nas.verification.manifest_file import read_manifest
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

FAMILIES, GIVEN = ("mobilenet_v3_digits", "resnet_digits"), "resnet20"
POLICIES = ("w32a32", *(f"w{bits}a8" for bits in range(2, 9)))
CANDIDATES, SEED = 20, 1  # those of the calibration are drawn with seed 0
EPOCHS = 40  # of a supernet
IMAGES = 256  # that calibrate, and as many that judge
COMMAND = "python benchmarks/exported_policies.py DATA"
ZOO_HEAD = ("network", "policy", "checks", "weights over their bits", "over fp32", "latency over fp32", "in integers")
FILES = Path(__file__).with_name("exported_policies.csv")


@dataclass(frozen=True)
class Source:
    """Networks of candidates, and what they are judged by.

    Attributes:
        space: The space of the candidates.
        realize: Makes the calibrated network of one.
        judge: Gives inputs of a network by their side.
        workloads: What a table of a given network is measured by.
    """

    space: JointSpace
    realize: Callable[[Candidate], nn.Module]
    judge: Callable[[int], Tensor]
    workloads: GivenWorkloads | None = None

    @classmethod
    def from_traced(cls, traced: TracedNetwork, space: JointSpace, calibrating: Tensor, judging: Tensor) -> Source:
        """A given network, whose activations are calibrated."""

        def realize(candidate: Candidate) -> nn.Module:
            network = compress(traced, candidate.policy)
            calibrate(network, [calibrating], Percentile(99.99))
            round_biases(network)
            return network

        return cls(space, realize, lambda _: judging, GivenWorkloads(traced))

    @classmethod
    def from_family(cls, name: str, folder: Path) -> Source:
        """A supernet of digits, trained for a quarter of the time that the example takes."""
        data = load_images("digits")
        space = JointSpace(create_space(name, data.channels, data.classes), PolicySpace.parse(POLICIES))
        supernet = build_supernet(space.architectures, seed=0)
        schedule = create_schedule("single", epochs=EPOCHS, learning_rate=0.1, space=space)
        folder.mkdir()
        train_supernet(supernet, data, TrainingPlan(space, schedule), folder)
        realizer, images = CandidateRealizer(supernet, data), data.validation.take(slice(0, IMAGES)).images
        return cls(space, realizer.realize, partial(realizer.transform.inputs, images))


def check(source: Source, candidate: Candidate, path: Path) -> dict[str, Any]:
    """What the checks of an export say of a candidate, and the sizes of its file."""
    network, judging = source.realize(candidate), source.judge(candidate.architecture.resolution)
    if isinstance(network, GraphNetwork):
        model = traced_to_onnx(network, [judging[:2]])
    else:
        _, *shape = judging.shape
        model = to_onnx(network, (shape[0], shape[1], shape[2]))
    path.write_bytes(model)
    reference = compute_reference(network, judging)
    given = run_session(open_session(model), judging.numpy())
    found: dict[str, Any] = {
        "bytes": len(model),
        "steps": float(np.abs(given - reference.outputs).mean() / reference.unit),
    }
    layers = source.space.architectures.layers(candidate.architecture)
    try:
        NetworkDescription(candidate, layers).write(model, path, network, judging, DEFAULT_TARGET)
    except ExportMismatch as error:
        return found | {"fault": str(error)}
    manifest = read_manifest(path)
    weights = sum(
        layer.weights * policy.weight_bits / 8 for layer, policy in zip(layers, candidate.policy.layers, strict=True)
    )
    return found | {
        "fault": "",
        "integer_layers": manifest.integer_layers,
        "float_layers": manifest.float_layers,
        "policy_bytes": weights,
        "overhead_bytes": manifest.size.overhead_bytes,
    }


def measure(name: str, source: Source, folder: Path) -> pd.DataFrame:
    """A row for each random candidate of a source."""
    population = source.space.sample(np.random.default_rng(SEED), CANDIDATES)
    candidates = population.candidates
    files = [folder / f"{name}-{number}.onnx" for number in range(CANDIDATES)]
    rows = [check(source, *pair) | {"network": name} for pair in zip(candidates, files, strict=True)]
    table = made_table(source.space, OnnxRuntimeProfiler(ONNXRUNTIME_CPU), source.workloads)
    shapes = [(1, *source.judge(candidate.architecture.resolution).shape[1:]) for candidate in candidates]
    networks = [OnnxNetwork(file.read_bytes(), shape) for file, shape in zip(files, shapes, strict=True)]
    precise = OnnxRuntimeProfiler(table.device, PRECISE)
    turns = [time_normalized(precise, networks, table.device.precisions, table.reference_ms).timings for _ in range(2)]
    first, second = (np.array([timing.latency_ms for timing in turn]) for turn in turns)
    predicted = tabulate_prices(source.space, table)(population.genes)
    timed = {"predicted_ms": predicted, "measured_ms": first, "again_ms": second}
    return pd.DataFrame(rows).assign(candidate=range(CANDIDATES), **timed)


def make_source(name: str, data: Path, folder: Path) -> Source:
    """What candidates of a name are made of."""
    if name != GIVEN:
        return Source.from_family(name, folder)
    splits, traced = load_images(str(data / "cifar10"), limit=2_000), traced_resnet20(data)
    images = [NORMALIZATION.inputs(part.take(slice(0, IMAGES)).images, 32) for part in (splits.train, splits.test)]
    return Source.from_traced(traced, JointSpace(traced.space(name), PolicySpace.parse(POLICIES)), *images)


def report(name: str, found: pd.DataFrame) -> None:
    what = f"`{name}`, {CANDIDATES} random policies of 2 to 8 and 32 bits"
    passed = int((found["fault"] == "").sum())
    print(row(f"{what}: files that pass all checks: all", [passed], f"{{:.0f}} of {CANDIDATES}", str(SEED), COMMAND, 1))
    good = found[found["fault"] == ""]
    weights = good["bytes"] - good["overhead_bytes"]
    for label, values, form in (
        ("steps by which outputs of the optimised session are off, mean", good["steps"], "{:.3f}"),
        ("bytes of its weights over their bits by the policy", weights / good["policy_bytes"], "{:.3f}"),
        ("bytes of everything else over those of the file", good["overhead_bytes"] / good["bytes"], "{:.3f}"),
    ):
        print(row(f"{what}: {label}", [*values], form, str(SEED), COMMAND, 1))
    latency = FitQuality.compare(found["predicted_ms"].to_numpy(), found["measured_ms"].to_numpy())
    floor = FitQuality.compare(found["again_ms"].to_numpy(), found["measured_ms"].to_numpy())
    for label, quality in (("predicted and measured latency", latency), ("two measurements", floor)):
        print(row(f"{what}: error between {label}", [quality.error_percent], "{:.2f} %", str(SEED), COMMAND, 1))
        print(row(f"{what}: Kendall tau of {label}", [quality.kendall_tau], "{:.3f}", str(SEED), COMMAND, 1))


@torch.no_grad()
def check_zoo(lists: Path, folder: Path, only: list[str]) -> None:
    """Prints a line for each network of the zoo: what its files at 8 and 4 bits are beside that in floating point."""
    print(f"| {' | '.join(ZOO_HEAD)} |")
    print(f"|{' --- |' * 7}")
    known = makers(lists)
    for family, name in ((family, name) for family, names in NETWORKS.items() for name in names):
        if only and name not in only:
            continue
        torch.manual_seed(0)
        model, examples = known[family][name]()
        enliven(model.eval(), examples)
        traced = trace(model, examples)
        (example,) = examples.values() if isinstance(examples, dict) else examples
        calibrating, judging = make_inputs(example, 1).chunk(2)
        recalibrate_batch_norm(traced.network(), [calibrating])  # which shares the tensors
        space = JointSpace(traced.space(name), PolicySpace.parse(("w32a32", "w8a8", "w4a8")))
        source = Source.from_traced(traced, space, calibrating, judging)
        count, architecture = len(traced.graph.layers), space.smallest().architecture
        candidates = [Candidate(architecture, CompressionPolicy((one,) * count)) for one in space.policies.all_policies]
        files = [folder / f"{name}-{number}.onnx" for number in range(len(candidates))]
        rows = [check(source, *pair) for pair in zip(candidates, files, strict=True)]
        networks = [OnnxNetwork(file.read_bytes(), (1, *judging.shape[1:])) for file in files]
        timings = OnnxRuntimeProfiler(ONNXRUNTIME_CPU, PRECISE).time(networks)
        for policy, one, timing in zip(space.policies.all_policies, rows, timings, strict=True):
            ratio = "" if one["fault"] else f"{(one['bytes'] - one['overhead_bytes']) / one['policy_bytes']:.3f}"
            counts = "" if one["fault"] else f"{one['integer_layers']} of {one['integer_layers'] + one['float_layers']}"
            latency, size = timing.latency_ms / timings[0].latency_ms, one["bytes"] / rows[0]["bytes"]
            cells = (f"`{name}`", policy, one["fault"] or "all pass", ratio, f"{size:.3f}", f"{latency:.2f}", counts)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--zoo", action="store_true", help="networks of the zoo")
    parser.add_argument("--only", nargs="+", default=[], help="names of networks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.zoo:
            check_zoo(arguments.data.parent / "zoo", Path(folder), arguments.only)
            return
        for name in (GIVEN, *FAMILIES):
            if not arguments.only or name in arguments.only:
                source = make_source(name, arguments.data, Path(folder, name))
                found = measure(name, source, Path(folder))
                report(name, found)
                kept = pd.read_csv(FILES) if FILES.exists() else found[:0]
                pd.concat([kept[kept["network"] != name], found]).round(4).to_csv(FILES, index=False)


if __name__ == "__main__":
    main()
