"""Bits, rank and widths of ResNet-20 searched together against each of them alone: rows of the table in `README.md`.

In: the folder of the reference data. Each axis, and all together, is a job of `nas compress` with the objectives
accuracy, bytes and multiplications and an equal number of evaluations. Candidates are repaired on 256 training images
without labels and measured on 500 test images, which the network has not seen as it has training images. What a job
has measured is judged by the hypervolume of error, bytes and multiplications, of which the reference point has 10
points less accuracy than the network as given and costs a tenth more than 8 bits, and by that of error and bytes alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from report import row
from resnet20_jobs import open_job

from nas.data.sources import load_images
from nas.jobs.run import search_job, train_job
from nas.jobs.workspace import Workspace
from results.pareto import hypervolume
from search_spaces.additive_cost import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

BITS = ("w8a8", "w4a8", "w3a8", "w2a8")
RANKS = ("w8a8", "w8a8-rank0.9", "w8a8-rank0.7", "w8a8-rank0.5")
PRODUCTS = ("w4a8-rank0.9", "w4a8-rank0.7", "w3a8-rank0.7")
WIDTHS = {"count": 4, "multiple": 8}
SPACES: dict[str, dict[str, Any]] = {
    "bits": {"policies": [*BITS]},
    "rank": {"policies": [*RANKS]},
    "widths": {"policies": ["w8a8"], "widths": WIDTHS},
    "all together": {"policies": [*dict.fromkeys((*BITS, *RANKS, *PRODUCTS))], "widths": WIDTHS},
}
TRAINED, JUDGED = 256, 500  # images of the training split, and of the test split, that jobs read
LARGEST_LOSS = 10.0  # points of accuracy at the reference point
REFERENCE = (1.0, 1.1, 1.1)  # loss, bytes and multiplications; a tenth more, so that what saves none of them counts
COMMAND = "python benchmarks/joint_axes.py DATA"


def write_images(data: Path, path: Path) -> None:
    """Writes what jobs read: few training images, and test images that validate."""
    splits = load_images(str(data / "cifar10"), limit=10_000)
    arrays = {"train": splits.train.take(slice(0, TRAINED)), "val": splits.test.take(slice(0, JUDGED))}
    arrays["test"] = splits.test.take(slice(JUDGED, 2 * JUDGED))
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {f"{name}_images": part.images.numpy().transpose(0, 2, 3, 1) for name, part in arrays.items()}
    named |= {f"{name}_labels": part.labels.numpy() for name, part in arrays.items()}
    np.savez(path, allow_pickle=False, **named)


def judge(workspace: Workspace) -> tuple[FloatArray, int]:
    """Loss, bytes and multiplications of all that a job measures, each as a share of its reference, shape (n, 3)."""
    train_job(workspace)
    points, space, subject = search_job(workspace).points, workspace.space, workspace.subject
    architecture, layers = space.architectures.largest(), len(space.slots)
    whole, int8 = (
        Candidate(architecture, CompressionPolicy((policy,) * layers))
        for policy in (LayerPolicy(), LayerPolicy.quantized(8, 8))
    )
    exact = subject.realizer().measure_accuracy(whole)
    costs, population = workspace.costs(), space.encode([int8])
    most = [float(costs.objective(name).evaluate(population)[0]) for name in ("weight_bytes", "macs")]
    found = points[["measured_accuracy", "weight_bytes", "macs"]].to_numpy(float)
    return np.column_stack([(exact - found[:, 0]) / LARGEST_LOSS, found[:, 1:] / most]), len(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--runs", type=Path, default=Path("runs/joint_axes"), help="what was stopped goes on there")
    parser.add_argument("--evaluations", type=int, default=40, help="of each job")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    images = arguments.runs / "images.npz"
    if not images.exists():
        write_images(arguments.data, images)
    volumes: dict[str, list[tuple[float, float]]] = {name: [] for name in SPACES}
    for seed in arguments.seeds:
        for name, space in SPACES.items():
            document = {
                "seed": seed,
                "data": {"source": str(images), "limit": TRAINED + JUDGED},
                "space": space,
                "compression": {"factorization": "output_covariance"},
                "search": {
                    "searcher": "allocation",
                    "options": {"sensitivity": "output_distortion"},  # of nearest codes: minutes less for each job
                    "evaluations": arguments.evaluations,
                    "stop": None,
                    "objectives": ["accuracy", "weight_bytes", "macs"],
                },
            }
            with open_job(arguments.data, arguments.runs, "joint-axes", document) as workspace:
                found, _ = judge(workspace)
            volumes[name].append((hypervolume(found, REFERENCE), hypervolume(found[:, :2], REFERENCE[:2])))
    seeds, alone = ", ".join(map(str, arguments.seeds)), [name for name in SPACES if name != "all together"]
    for index, what in enumerate(("loss, bytes and MACs", "loss and bytes")):
        sets = {name: np.array(values)[:, index] for name, values in volumes.items()}
        ratios = sets["all together"] / np.max([sets[name] for name in alone], axis=0)
        title = f"ResNet-20, {what}, {arguments.evaluations} evaluations: hypervolume"
        target = f"{title} by bits, rank and widths together over the best alone: above 1"
        print(row(target, ratios.tolist(), "{:.2f}", seeds, COMMAND, 1))
        for name, values in sets.items():
            print(row(f"{title} by {name}", values.tolist(), "{:.3f}", seeds, COMMAND, 1))


if __name__ == "__main__":
    main()
