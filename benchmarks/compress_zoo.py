"""Networks that others wrote, compressed end to end: how far outputs agree with fp32. Rows of the table in `README.md`.

Ten networks of the lists that `zoo.py` reads, of as many kinds: traced, compressed by recipe `LIGHT` at w8a8 and at 4
mean bits of the weights (by the exact frontier over damages of `fisher`, from 2, 3, 4, 6 and 8 bits), exported, and the
export held against torch in onnxruntime. Weights are random, so there is no accuracy; batch norms have the statistics
of the inputs, as after a training. Inputs are smooth random images, or random tokens: half of them calibrate, the other
half judge. What is kept is 1 less the squared error of the outputs over their variance across inputs. Needs the extra
`zoo`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
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
from nas.compression.repair.batch_norm import BatchNormReestimation
from nas.compression.repair.repair import outputs_on
from nas.compression.repair.repair_network import Repairer
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.export.agreement import ExportMismatch, check_agreement
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

NETWORKS = {
    "transformers": ("BertConfig", "SwinConfig", "SegformerConfig"),
    "timm": (
        "test_vit",
        "lcnet_035",
        "mobilenetv3_small_050",
        "tinynet_e",
        "ghostnet_050",
        "levit_128s",
        "efficientvit_m0",
    ),
}
BITS, MEAN_BITS = (2, 3, 4, 6, 8), 4.0
POLICIES = ("w8a8", "4 mean bits")
INPUTS, BATCH = 64, 16
TOKENS = 200  # fewer than the rows of any embedding
COMMAND = "python benchmarks/compress_zoo.py"


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


def compress_one(make: Any) -> dict[str, Any]:
    """What is kept of the outputs' variance by policy, why exports do not agree with torch, and the seconds of all."""
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
    expected, repairer = outputs_on(traced.network(), judging).double(), Repairer(subject)
    variance = (expected - expected.mean(0)).square().sum()
    kept: dict[str, Any] = {"disagreements": []}
    uniform = CompressionPolicy((LayerPolicy.quantized(8, 8),) * len(subject.choices))
    for name, policy in zip(POLICIES, (uniform, allocate(subject)), strict=True):
        network = repairer.repair(policy)
        found = outputs_on(network, judging).double()
        kept[name] = 1 - float((found - expected).square().sum() / variance)
        sample = judging.inputs[:2]
        try:
            check_agreement(network, open_session(traced_to_onnx(network, [sample])), sample)
        except ExportMismatch as error:
            kept["disagreements"].append(f"{name}: {error}")
    return kept | {"seconds": time.perf_counter() - begin}


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
    for policy in POLICIES:
        kept = [result[policy] for result in results.values()]
        print(row(f"Ten given networks, variance of the outputs that {policy} keeps", kept, "{:.4f}", "0", COMMAND, 1))
    agreeing = [sum(len(POLICIES) - len(result["disagreements"]) for result in results.values())]
    of = f"{{:.0f}} of {len(results) * len(POLICIES)}"
    print(row("Ten given networks, exports at both that agree with torch", agreeing, of, "0", COMMAND, 1))


if __name__ == "__main__":
    main()
