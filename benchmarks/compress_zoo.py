"""Networks that others wrote, compressed end to end: how far outputs agree with fp32. A table and rows of `README.md`.

Ten networks of the lists that `zoo.py` reads, of as many kinds: traced, compressed at w8a8 and at 4 mean bits of the
weights (by the exact frontier over damages of `fisher`, from 2, 3, 4, 6 and 8 bits), with nearest codes and by recipe
`LIGHT`, exported, and run in onnxruntime. Weights are random, so there is no accuracy; batch norms have the statistics
of the inputs, as after a training. Inputs are smooth random images, or random tokens: half of them calibrate, the other
half judge. What is kept is 1 less the squared error of the outputs over their variance across inputs; top-1 is the
share of outputs whose largest entry is that of fp32. Needs the extra `zoo`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from report import row
from torch import Tensor
from zoo import enliven, makers

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier
from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.repair.batch_norm import BatchNormReestimation
from nas.compression.repair.repair import outputs_on
from nas.compression.repair.repair_network import Repairer
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.export.agreement import ExportMismatch, check_agreement
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session
from nas.tasks.metrics.agreement import ExplainedVariance, Top1Agreement
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

NETWORKS = {
    "transformers": ("AlbertConfig", "BertConfig", "GPT2Config", "MambaConfig", "SwinConfig", "SegformerConfig"),
    "timm": ("test_vit", "lcnet_035", "mobilenetv3_small_050", "ghostnet_050"),
}
BITS, MEAN_BITS = (2, 3, 4, 6, 8), 4.0
POLICIES = ("w8a8", "4 mean bits")
CODES = ("nearest", "repaired")
INPUTS, BATCH = 64, 16
TOKENS = 200  # fewer than the rows of any embedding
COMMAND = "python benchmarks/compress_zoo.py"
HEAD = "| network | policy | kept, nearest | kept, repaired | top-1, nearest | top-1, repaired | files that agree |"


def make_inputs(example: Tensor, seed: int) -> Tensor:
    """Inputs of a network, of the shape and type of its example."""
    generator = torch.Generator().manual_seed(seed)
    if not example.is_floating_point():
        return torch.randint(0, TOKENS, (INPUTS, *example.shape[1:]), generator=generator)
    coarse = torch.randn(INPUTS, example.shape[1], 8, 8, generator=generator)
    return F.interpolate(coarse, tuple(example.shape[2:]), mode="bilinear") + torch.randn(
        INPUTS, example.shape[1], 1, 1, generator=generator
    )


def allocate(subject: CompressionSubject) -> CompressionPolicy:
    """The policy of least damage whose weights have 4 mean bits at most."""
    counts = [layer.operator.weights for layer in subject.traced.graph.layers]
    damage = SENSITIVITY_METRICS["fisher"]().damage(subject)
    costs = tuple(np.array([float(count * bits) for bits in BITS]) for count in counts)
    problem = AllocationProblem(damage, (Budget("weight_bits", costs, max(BITS) * float(sum(counts))),))
    (chosen,) = Frontier.from_problem(problem, buckets=2000).read_off(np.array([MEAN_BITS * sum(counts)]))
    return CompressionPolicy(tuple(LayerPolicy.quantized(BITS[choice], 8) for choice in chosen))


def compare_outputs(expected: Tensor, found: Tensor) -> dict[str, float]:
    """What is kept of the variance of outputs, shape (n, ..., classes), and how often the largest entry is the same."""
    return {"kept": ExplainedVariance().value(found, expected), "top-1": Top1Agreement().value(found, expected) / 100}


def judge(network: GraphNetwork, expected: Tensor, judging: CalibrationData) -> dict[str, Any]:
    """What a compressed network and its file keep of outputs, and why they do not agree (nothing where they do)."""
    session = open_session(traced_to_onnx(network, [judging.inputs[:2]]))
    files = torch.cat([torch.from_numpy(run_session(session, batch.numpy())) for batch in judging])
    result: dict[str, Any] = {"torch": compare_outputs(expected, outputs_on(network, judging)), "mismatch": ""}
    try:
        check_agreement(network, session, judging.inputs)
    except ExportMismatch as error:
        result["mismatch"] = str(error)
    return result | {"file": compare_outputs(expected, files)}


@torch.no_grad()
def compress_one(make: Any) -> dict[str, Any]:
    """What networks and files keep by policy and codes, and the seconds of all."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    begin = time.perf_counter()
    model, examples = make()
    enliven(model.eval(), examples)
    traced = trace(model, examples)
    (example,) = examples.values() if isinstance(examples, dict) else examples
    inputs = make_inputs(example, 1)
    calibration, judging = (CalibrationData(part, batch=BATCH) for part in inputs.split(INPUTS // 2))
    choices = [LayerPolicy.quantized(bits, 8) for bits in BITS]
    subject = CompressionSubject.uniform_choices(traced, choices, calibration)
    BatchNormReestimation().repair(traced.network(), subject)  # which shares the tensors
    expected, repairer = outputs_on(traced.network(), judging), Repairer(subject)
    uniform = CompressionPolicy((LayerPolicy.quantized(8, 8),) * len(subject.choices))
    with torch.enable_grad():
        allocated = allocate(subject)
    results: dict[str, Any] = {}
    for name, policy in zip(POLICIES, (uniform, allocated), strict=True):
        nearest = subject.compress(policy)
        calibrate(nearest, calibration)
        round_biases(nearest)
        for codes, network in zip(CODES, (nearest, repairer.repair(policy)), strict=True):
            results[f"{name}, {codes}"] = judge(network, expected, judging)
    return results | {"seconds": time.perf_counter() - begin}


def print_table(results: Mapping[str, dict[str, Any]]) -> None:
    """Prints a row for each network and policy; figures are those of torch and of the file."""
    print(f"{HEAD}\n|{' --- |' * (HEAD.count('|') - 1)}")
    for network, result in results.items():
        for policy in POLICIES:
            found = [result[f"{policy}, {codes}"] for codes in CODES]
            pairs = [f"{one['torch'][key]:.3f}, {one['file'][key]:.3f}" for key in ("kept", "top-1") for one in found]
            agree = sum(not one["mismatch"] for one in found)
            print(f"| {' | '.join([f'`{network}`', policy, *pairs, f'{agree} of {len(found)}'])} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lists", type=Path, default=Path("../shared/zoo"))
    parser.add_argument("--only", nargs="+", help="names of networks")
    arguments = parser.parse_args()
    known, results = makers(arguments.lists), {}
    for family, names in NETWORKS.items():
        for name in names:
            if not arguments.only or name in arguments.only:
                results[name] = compress_one(known[family][name])
                print(name, json.dumps(results[name]), file=sys.stderr, flush=True)
    print_table(results)
    for policy in POLICIES:
        kept = [result[f"{policy}, repaired"]["file"]["kept"] for result in results.values()]
        title = f"Ten given networks, variance of the outputs that the file keeps at {policy}, repaired"
        print(row(title, kept, "{:.3f}", "0", COMMAND, 1))
    agree = [not result[f"{policy}, repaired"]["mismatch"] for result in results.values() for policy in POLICIES]
    title = "Ten given networks, repaired, files at both that agree with torch"
    print(row(title, [sum(agree)], f"{{:.0f}} of {len(agree)}", "0", COMMAND, 1))


if __name__ == "__main__":
    main()
