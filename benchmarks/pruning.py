"""ResNet-20 without half and 70 % of its operations: rows of the table in `README.md`.

In: the folder of the reference data. The fine-tuned network loses channels until a share of its multiply-accumulate
operations is left: by widths that the exact solver allocates over damages that are measured around the best ones known,
by the same share of all groups, by the magnitudes of all channels, and by torch-pruning (extra `benchmark`) with its
own importance (`--library`). All of ours are fitted on 1,024 training images without labels. Accuracy is that on all
10,000 test images; `--epoch` measures it also after one epoch over 8,000 images. `pruned_latency.py` times what this
one stores.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from compress_resnet20 import BATCH, IMAGES, NORMALIZATION, accuracy, traced_resnet20
from report import row
from torch import Tensor, nn

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, PerLayer
from nas.compression.allocation.milp import MilpAllocator
from nas.compression.allocation.trust_region import allocate_in_trust_region
from nas.compression.calibration_data import CalibrationData
from nas.compression.pruning.baselines import keep_most_important, keep_uniformly
from nas.compression.pruning.magnitude import Magnitude
from nas.compression.pruning.pruner import Pruner
from nas.compression.pruning.surgeon import Surgeon
from nas.compression.pruning.width_costs import budget_macs
from nas.compression.pruning.width_damage import WidthDamage
from nas.compression.pruning.widths import Widths
from nas.compression.repair.recipe import Recipe
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.reference import load_weights
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.compression.tracing.traced_file import save_traced
from nas.data.sources import load_images
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.operators.pointwise import BatchNorm

SHARES = (0.5, 0.3)  # of the operations that are left
TRAINED, JUDGED = 10_000, 256  # training images; how many images of a sample judge damages
WIDTHS, ROUNDS = 16, 6  # of a group at the most; how often damages are measured around an allocation
BLOCK = 8  # channels that kernels of onnxruntime compute at once: allocated widths are multiples of it
QUICK = Recipe(rows=2048)  # of the networks whose damage is measured
RATE, MOMENTUM, DECAY, STEP_IMAGES, SHIFT = 0.02, 0.9, 1e-4, 128, 4  # of the epoch: SGD, and images shifted by pixels
COMMAND = "python benchmarks/pruning.py DATA"
Images = tuple[Tensor, Tensor]


def load(data: Path, sample: int) -> tuple[CompressionSubject, Images, Images]:
    """The network with a sample of calibration images, the training images, and the test images."""
    torch.set_num_threads(1)
    splits = load_images(str(data / "cifar10"), limit=TRAINED)
    train, test = ((NORMALIZATION.inputs(split.images, 32), split.labels) for split in (splits.train, splits.test))
    calibration = CalibrationData(train[0][sample * IMAGES : (sample + 1) * IMAGES], batch=BATCH)
    subject = CompressionSubject.uniform_choices(traced_resnet20(data), [LayerPolicy()], calibration)
    return subject, train, test


def allocate(
    subject: CompressionSubject, widths: Widths, damage: PerLayer, share: float, *further: Budget
) -> list[int]:
    """The indices of widths, by damages around the best ones known; other images judge than those that are fitted."""
    problem = AllocationProblem(damage, (budget_macs(widths, share * subject.traced.graph.macs), *further))
    uniform = keep_uniformly(widths, problem.budgets[0].most)
    counts = [int(uniform[group.channels].sum()) for group in widths.channels.groups]
    start = [int(np.argmax(np.array(known) <= most)) for known, most in zip(widths.choices, counts, strict=True)]
    data = subject.need_data()
    judged = CalibrationData(data.inputs[-JUDGED:], batch=data.batch)
    judge = WidthDamage(QUICK).judge_allocations(replace(subject, data=data.take(JUDGED)), widths, judged)
    starts = () if problem.excesses(start) else (start,)
    chosen = allocate_in_trust_region(problem, judge, *starts, allocator=MilpAllocator(), rounds=ROUNDS)
    print([known[one] for known, one in zip(widths.choices, chosen, strict=True)], file=sys.stderr, flush=True)
    return [*chosen]


def prune_by_library(data: Path) -> dict[tuple[str, float], TracedNetwork]:
    """What torch-pruning leaves by its own importance, by how it was asked and the share of operations that is left.

    It prunes channels within blocks, as it loses padded shortcuts. All layers lose channels at the same ratios, so
    shares come in steps: of each pair of neighbours one has at most the share, the other more.
    """
    import torch_pruning

    examples, found = torch.randn(2, 3, 32, 32), dict[tuple[str, float], nn.Module]()
    whole = count_macs(make_module(data), examples)
    for share, (how, everywhere) in product(SHARES, (("uniform", False), ("all channels", True))):
        low, high = 0.0, 1.0
        while high - low > 1e-3:
            module, ratio = make_module(data), (low + high) / 2
            outer = [module.conv1, module.linear, *(m for name, m in module.named_modules() if name.endswith("conv2"))]
            importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
            options = {"global_pruning": everywhere, "pruning_ratio": ratio, "ignored_layers": outer}
            torch_pruning.pruner.MagnitudePruner(module, examples, importance, **options).step()
            if count_macs(module, examples) <= share * whole:
                high, found[f"torch-pruning, {how}", share] = ratio, module
            else:
                low, found[f"torch-pruning, {how}, with more MACs", share] = ratio, module
    return {key: trace(module, [examples]) for key, module in found.items()}


def make_module(data: Path) -> Any:
    from test_resnet20 import ResNet20  # `compress_resnet20` adds its folder

    module = ResNet20()
    load_weights(module, data / "resnet20_cifar10" / "resnet20_jpeg_finetuned.safetensors")
    return module.eval()


@torch.no_grad()
def count_macs(module: nn.Module, examples: Tensor) -> int:
    """Operations for one input, without a trace, which takes longer."""
    counts, hooks = [], []
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):

            def count(layer: nn.Module, _: Any, output: Tensor) -> None:
                counts.append(layer.get_parameter("weight").numel() * output[0, 0].numel())

            hooks.append(layer.register_forward_hook(count))
    module(examples)
    for hook in hooks:
        hook.remove()
    return sum(counts)


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


def prune_all(subject: CompressionSubject) -> dict[tuple[str, float], TracedNetwork]:
    """The pruned networks by how they were pruned and the share of operations that is left."""
    channels, few = CoupledChannels.from_graph(subject.traced.graph), subject.need_data().take(JUDGED)
    magnitude, pruner = Magnitude().score(subject, channels), Pruner(subject, channels)
    by_magnitude, surgeon = Widths.evenly(channels, magnitude), Surgeon(QUICK.rows).score(subject, channels)
    found = {}
    for name, multiple in (("allocated widths", 1), (f"allocated widths, multiples of {BLOCK}", BLOCK)):
        widths = Widths.evenly(channels, surgeon, WIDTHS, multiple)
        damage = WidthDamage(QUICK).measure(replace(subject, data=few), widths)
        for share in SHARES:
            begin = time.process_time()
            found[name, share] = pruner.prune(widths.keep_chosen(allocate(subject, widths, damage, share)))
            print(f"{name}: {time.process_time() - begin:.0f} s", file=sys.stderr, flush=True)
    for share in SHARES:
        most = share * subject.traced.graph.macs
        for name, ranked in (("surgeon", Widths.evenly(channels, surgeon)), ("magnitude", by_magnitude)):
            found[f"uniform widths by {name}", share] = pruner.prune(keep_uniformly(ranked, most))
        kept = keep_most_important(by_magnitude, magnitude, most)
        found["magnitudes of all channels", share] = pruner.prune(kept)
    return found


def measure_sample(data: Path, folder: Path, sample: int, epoch: bool, library: bool) -> dict[str, float]:
    """Accuracies in percent; torch-pruning takes no data, so of its networks only the epoch differs by sample."""
    subject, train, test = load(data, sample)
    percent: dict[str, float] = {}

    def measure(title: str, module: GraphNetwork) -> None:
        percent[title] = accuracy(module, *test)
        print(row(title, [percent[title]], "{:.2f} %", f"sample {sample}", COMMAND, 1), file=sys.stderr, flush=True)

    networks = prune_by_library(data) if library else prune_all(subject)
    for (name, share), network in networks.items():
        save_traced(folder / f"{name}, {share} of MACs left, sample {sample}.safetensors", network)
    titles = {key: f"ResNet-20, {1 - key[1]:.0%} of MACs removed, {key[0]}" for key in networks}
    for key, network in networks.items():
        print(f"{titles[key]}: {network.graph.macs / subject.traced.graph.macs:.3f} left", file=sys.stderr, flush=True)
        measure(titles[key], network.network())
    for key, network in networks.items() if epoch else ():
        measure(f"{titles[key]}, after an epoch", train_epoch(network, train, sample))
    return percent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--folder", type=Path, default=Path("runs/pruning"), help="where pruned networks are stored")
    parser.add_argument("--samples", type=int, nargs="+", default=[0, 1, 2], help="samples of calibration images")
    parser.add_argument("--epoch", action="store_true", help="also train each network for one epoch")
    parser.add_argument("--library", action="store_true", help="prune by torch-pruning alone")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    found = [measure_sample(given.data, given.folder, one, given.epoch, given.library) for one in given.samples]
    command = f"{COMMAND}{' --library' * given.library}{' --epoch' * given.epoch}"
    for name in found[0]:
        samples = [percent[name] for percent in found if name in percent]
        print(row(name, samples, "{:.2f} %", f"{len(samples)} samples of calibration images", command, 1))


if __name__ == "__main__":
    main()
