"""Traces of the Hessian of every layer of a published ResNet-20: ours beside `pyhessian`, at equal standard errors.

In: the folder of the reference data (`resnet20_cifar10`, `cifar10`). Out: rows of the table in `README.md`. Both read
the same test images, the same loss and the weights of the same 20 layers. `pyhessian` is asked for each layer on its
own, and for the whole network at once. The spread of its probes, taken from a few, tells how many it needs for the
standard error; the time of so many is that of one probe times their number. Ours are drawn until their rule ends them,
which asks for that standard error in every layer, and of the activations, too. Processor time is measured, so that
other work on the machine counts for none of them.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pyhessian import hessian
from report import row
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.gauss_newton_trace import GaussNewtonTrace
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.reference import load_weights
from nas.compression.tracing.trace import trace
from nas.data.sources import load_images
from nas.tasks.registry import CLASSIFICATION, TASKS
from search_spaces.compression_policy import LayerPolicy

sys.path.append(str(Path(__file__).parents[1] / "tests" / "nas" / "compression" / "tracing"))
from test_resnet20 import NORMALIZATION, ResNet20

IMAGES, ERROR = 32, 0.05
SEEDS = (0, 1, 2)
COMMAND = "taskset -c 0 python benchmarks/sensitivity_speed.py FOLDER"


@dataclass(frozen=True)
class Probes:
    """Probes of `pyhessian`.

    Attributes:
        setup_s: Processor seconds before the first one.
        probe_s: Those of each.
        values: What they gave.
    """

    setup_s: float
    probe_s: float
    values: Tensor

    @property
    def needed(self) -> float:
        """How many probes have the standard error."""
        return float((self.values.std() / (ERROR * self.values.mean().abs())) ** 2)

    @property
    def seconds(self) -> float:
        """Processor seconds up to the standard error."""
        return self.setup_s + max(self.needed, 1.0) * self.probe_s


def probe_by_pyhessian(
    module: nn.Module, weights: list[nn.Parameter], images: Tensor, labels: Tensor, n: int
) -> Probes:
    """Probes of the Hessian of some weights alone."""
    for parameter in module.parameters():
        parameter.requires_grad_(any(parameter is weight for weight in weights))
        parameter.grad = None
    times = [time.process_time()]
    ready = hessian(module, nn.CrossEntropyLoss(), data=(images, labels), cuda=False)
    times.append(time.process_time())
    values = ready.trace(maxIter=n, tol=0.0)
    times.append(time.process_time())
    return Probes(times[1] - times[0], (times[2] - times[1]) / n, torch.tensor(values, dtype=torch.float64))


def measure(folder: Path, seed: int, probes: int) -> dict[str, float]:
    """One comparison, on images of its own."""
    torch.manual_seed(seed)
    split = load_images(str(folder / "cifar10"), limit=125).test.take(slice(seed * IMAGES, (seed + 1) * IMAGES))
    images, labels = NORMALIZATION.inputs(split.images, 32), torch.as_tensor(split.labels).long()
    module = ResNet20()
    load_weights(module, folder / "resnet20_cifar10" / "resnet20_jpeg_finetuned.safetensors")
    traced = trace(module, [images[:2]])
    data = CalibrationData(images, labels, batch=32)
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy()], data, task=TASKS[CLASSIFICATION])
    network = TappedNetwork(traced)
    start = time.process_time()
    ours = GaussNewtonTrace(tolerance=ERROR, seed=seed).estimate(subject, network)
    ours_s = time.process_time() - start
    starts = np.cumsum([0] + [1 + len(sites) for sites in network.sites])[:-1]
    weights = [dict(module.named_parameters())[layer.weight] for layer in traced.graph.layers]
    alone = [probe_by_pyhessian(module, [weight], images, labels, probes) for weight in weights]
    whole = probe_by_pyhessian(module, weights, images, labels, 3 * probes)
    means, errors = ours.means[starts], ours.standard_errors[starts]
    theirs = np.array([float(one.values.mean()) for one in alone])
    spread = np.array([float(one.values.std()) for one in alone]) / probes**0.5
    return {
        "seconds": ours_s,
        "probes": float(ours.probes),
        "layers": sum(one.seconds for one in alone) / ours_s,
        "whole": whole.seconds / ours_s,
        "needed": float(np.median([one.needed for one in alone])),
        "needed_whole": whole.needed,
        "apart": float(np.sqrt(np.mean(((means - theirs) / np.hypot(spread, errors)) ** 2))),
    }


def main() -> None:
    """Measures every seed and prints the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--probes", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = [measure(arguments.folder, seed, arguments.probes) for seed in SEEDS]
    what = f"ResNet-20, {IMAGES} images, standard error {ERROR:.0%} of each trace (processor time)"
    for name, target, form in (
        ("layers", f"`pyhessian` layer by layer over ours for all layers: at least 20, {what}", "{:.0f}"),
        ("whole", "`pyhessian` of the whole network over the same of ours: at least 2", "{:.1f}"),
        ("seconds", "Traces of all 20 layers and of what they round, ours", "{:.1f} s"),
        ("probes", "Probes of ours", "{:.0f}"),
        ("needed", "Probes of `pyhessian` for a layer, median over layers", "{:.0f}"),
        ("needed_whole", "Probes of `pyhessian` for the whole network", "{:.0f}"),
        (
            "apart",
            "Distance of both, in standard errors of the distance, root mean square over layers: about 1",
            "{:.2f}",
        ),
    ):
        print(row(target, [one[name] for one in found], form, "0 to 2", COMMAND, 1))


if __name__ == "__main__":
    main()
