"""Makes a table of measurements to search: every architecture of a trained supernet under eight policies.

In: a job whose supernet is trained and whose device is profiled (`nas train`, `nas profile`), such as
`examples/digits.yaml`. Out: `digits.parquet`, one row per candidate: its genes, accuracy and test_accuracy in percent,
latency_ms by the job's table, weight_bytes. It takes about an hour on two quiet cores; blocks that are measured are
kept, so a stopped run goes on.

The policies are the four of the job in all layers, and for each of them a mixture: the layers that suffer most from few
bits (stem, depthwise convolutions, classifier) take the bits of `GUARD` instead. So half of the candidates are uniform,
half are mixtures, every combination of genes is there, and the exact front is known.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from nas.evaluation.realize import CandidateRealizer
from nas.evaluation.worker_process import prepare_worker
from nas.files import atomic_write
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.workspace import Workspace
from nas.objectives import FloatArray
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec

TABLE = Path(__file__).with_name("digits.parquet")
GUARD = {"w32a32": "w8a8", "w8a8": "w32a32", "w4a8": "w8a8", "w3a8": "w8a8"}
SAME, OTHER = "same", "other"  # as the other layers, or as `GUARD` says
_BLOCK = 64  # candidates that are measured and kept together: eight architectures


def is_guarded(layer: LayerSpec) -> bool:
    """Whether a layer belongs to those that suffer most from few bits."""
    return layer.name in ("stem", "classifier") or layer.name.endswith("depthwise")


def with_policy(space: JointSpace, architecture: Candidate, policy: str, guard: str) -> Candidate:
    """The architecture of a candidate under one of the eight policies."""
    inner, guarded = LayerPolicy.parse(policy), LayerPolicy.parse(GUARD[policy] if guard == OTHER else policy)
    layers = space.architectures.layers(architecture.architecture)
    policies = tuple(guarded if is_guarded(layer) else inner for layer in layers)
    return Candidate(architecture.architecture, CompressionPolicy(policies))


def every_candidate(space: JointSpace, policies: Sequence[str]) -> tuple[pd.DataFrame, list[Candidate]]:
    """Genes of all candidates, the policies innermost, and the candidates."""
    architectures = JointSpace(space.architectures)
    domains = tuple(architectures.architectures.cardinalities)
    vectors = np.indices((*domains, *(1,) * len(space.slots))).reshape(len(domains) + len(space.slots), -1).T
    networks = architectures.population(vectors).unique()
    rows, found = [], []
    for genes, network in zip(networks.genes, networks.candidates, strict=True):
        for policy in policies:
            for guard in (SAME, OTHER):
                rows.append([*genes[: len(domains)], policy, guard])
                found.append(with_policy(space, network, policy, guard))
    names = [gene.name for gene in space.architectures.genes]
    return pd.DataFrame(rows, columns=[*names, "policy", "guard"]), found


@cache
def _realizer(job: Path, data: str | None, runs: Path) -> CandidateRealizer:
    """The supernet of a process."""
    with Workspace(load_job(job, data), runs, Reporter(Console(quiet=True))) as workspace:
        return workspace.subject.realizer()


def measured(job: Path, data: str | None, runs: Path, candidates: Sequence[Candidate]) -> FloatArray:
    """Accuracies of candidates on the validation and on the test images, shape (n, 2), percent."""
    realizer, found = _realizer(job, data, runs), []
    for candidate in candidates:
        network, side = realizer.realize(candidate), candidate.architecture.resolution
        parts = (realizer.data.validation, realizer.data.test)
        found.append([realizer.measure_network(network, side, part)["accuracy"] for part in parts])
    return np.array(found)


def digest(candidates: Sequence[Candidate]) -> str:
    """Stands for the candidates in the name of a folder."""
    return hashlib.sha256("".join(one.key for one in candidates).encode()).hexdigest()[:8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("--data", default=None)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    with Workspace(load_job(options.job, options.data), options.runs, Reporter(Console())) as workspace:
        checkpoint, costs = workspace.subject.checkpoint, workspace.costs()
        genes, candidates = every_candidate(workspace.space, workspace.job.space.policies)
        kept = options.runs / "digits_table" / f"{checkpoint.parent.name}-{digest(candidates)}"
        kept.mkdir(parents=True, exist_ok=True)
        starts = range(0, len(candidates), _BLOCK)
        files = [kept / f"{start}.npy" for start in starts]
        missing = [(start, file) for start, file in zip(starts, files, strict=True) if not file.exists()]
        with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn"), prepare_worker) as pool:
            given = (options.job, options.data, options.runs)
            jobs = [
                (file, pool.submit(measured, *given, candidates[start : start + _BLOCK])) for start, file in missing
            ]
            for file, block in track(jobs, "measure"):
                with atomic_write(file) as draft, draft.open("wb") as opened:
                    np.save(opened, block.result())
        accuracies = np.concatenate([np.load(file) for file in files]).astype(np.float32)
        population = workspace.space.encode(candidates)
        genes["accuracy"], genes["test_accuracy"] = accuracies.T
        genes["latency_ms"] = costs.objective("latency_ms").evaluate(population)
        genes["weight_bytes"] = costs.objective("weight_bytes").evaluate(population)
        genes.to_parquet(options.table, compression="zstd", index=False)
        print(f"{options.table}: {len(genes)} candidates, {options.table.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
