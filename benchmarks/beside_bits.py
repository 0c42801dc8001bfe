"""Groups and corrections of ResNet-20 against bits alone at equal bytes: rows of the table in `README.md`.

In: the folder of the reference data. All layers have steps for groups of inputs, or a low-rank correction, where they
can; of as many bytes is an allocation of bits alone, with a step for each output channel, by the exact frontier over
damages of `fisher`. Both are repaired by recipe `LIGHT` on training images without labels, and judged on test images.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import numpy as np
from compress_resnet20 import STUDENT, accuracy, load
from report import row

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier
from nas.compression.repair.recipe import Recipe
from nas.compression.repair.repair_network import Repairer
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.subject import CompressionSubject
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec

TRIED = ("w3a8-g16", "w2a8-g8", "w2a8-correct0.1")
BITS = tuple(LayerPolicy.quantized(bits, 8) for bits in (2, 3, 4, 5))
SAMPLES = 3
FEW_ROWS = 4096  # outputs to which a layer is fitted
COMMAND = "taskset -c 0 python benchmarks/beside_bits.py DATA"


def list_layers(subject: CompressionSubject) -> tuple[LayerSpec, ...]:
    space = subject.traced.space("resnet20")
    return tuple(space.layers(JointSpace(space).largest().architecture))


def count_bytes(layers: tuple[LayerSpec, ...], policy: CompressionPolicy) -> float:
    price = ANALYTIC_COSTS["weight_bytes"].layer_cost
    return sum(price(layer, one) for layer, one in zip(layers, policy.layers, strict=True))


def apply_where_possible(layers: tuple[LayerSpec, ...], policy: LayerPolicy) -> CompressionPolicy:
    """The policy for all layers; for those that cannot take it, its bits alone."""
    bits = LayerPolicy.quantized(policy.weight_bits, policy.activation_bits)
    found = []
    for layer in layers:
        try:
            expand_layer(layer, policy)
        except ValueError:
            found.append(bits)
        else:
            found.append(policy)
    return CompressionPolicy(tuple(found))


def measure_sample(
    data: Path, sample: int, images: int, tested: int
) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]]:
    """Accuracy in percent, and bytes, of each policy that is tried; and of bits alone of as many bytes."""
    plain, (inputs, labels) = load(data, sample)
    inputs, labels = inputs[:tested], labels[:tested]
    subject = CompressionSubject.uniform_choices(plain.traced, BITS, plain.need_data().take(images))
    layers, repairer = list_layers(subject), Repairer(subject, Recipe(rows=FEW_ROWS))
    damage = SENSITIVITY_METRICS["fisher"]().damage(subject)
    price = ANALYTIC_COSTS["weight_bytes"].layer_cost
    costs = tuple(np.array([price(layer, policy) for policy in BITS]) for layer in layers)
    budget = Budget("weight_bytes", costs, float(sum(cost.max() for cost in costs)))
    frontier = Frontier.from_problem(AllocationProblem(damage, (budget,)))

    def measure(policy: CompressionPolicy) -> tuple[float, float]:
        percent = accuracy(repairer.repair(policy), inputs, labels)
        spent = count_bytes(layers, policy)
        print(f"sample {sample}: {percent:.2f} % at {spent:,.0f} bytes", file=sys.stderr, flush=True)
        return percent, spent

    tried, alone = {}, {}
    for text in TRIED:
        policy = apply_where_possible(layers, LayerPolicy.parse(text))
        tried[text] = measure(policy)
        (chosen,) = frontier.read_off(np.array([tried[text][1]]))
        alone[text] = measure(subject.policy(chosen))
    return tried, alone


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--images", type=int, default=256, help="training images that calibrate and repair")
    parser.add_argument("--tested", type=int, default=5000, help="test images")
    arguments = parser.parse_args()
    found = [measure_sample(arguments.data, one, arguments.images, arguments.tested) for one in range(SAMPLES)]
    for text in TRIED:
        gains = [tried[text][0] - alone[text][0] for tried, alone in found]
        half = STUDENT * statistics.stdev(gains) / SAMPLES**0.5
        kibibytes = found[0][0][text][1] / 1024
        reached = statistics.mean(tried[text][0] for tried, _ in found)
        target = (
            f"ResNet-20, {text} ({reached:.2f} % at {kibibytes:.1f} KiB) less bits alone of as many bytes; mean "
            f"{statistics.mean(gains):+.2f} ± {half:.2f} (95 %)"
        )
        print(row(target, gains, "{:+.2f} points", f"{SAMPLES} samples of calibration images", COMMAND, 1))


if __name__ == "__main__":
    main()
