"""The damage that each policy of each layer of a given network does alone, measured once and kept in a table.

Beside the table lies how far its sums tell what policies of all layers do, which is what allocators assume of it.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.additivity import MetricQuality, correlate_ranks, judge_sums, sum_damage
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from nas.files import atomic_write
from nas.jobs.console.reporter import Reporter
from nas.jobs.execution import Execution
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.damage_entries import (
    CALIBRATION_SAMPLES,
    DamageEntries,
    measure_entries,
)
from nas.jobs.stages.damage_journal import name_entry
from nas.jobs.stages.pair_entries import BELOW, FALL_BACK, FEWEST, PairEntries, find_pairs
from nas.jobs.stages.subject import Subject
from nas.objectives import FloatArray
from nas.tasks.task import Task
from search_spaces.additive_cost import Term
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.search_space import Genes

TABLE = "damage.csv"  # columns layer, policy, damage; for a group of channels its gene and a width
ADDITIVITY = "additivity.json"  # of the table, see `MetricQuality`; with the number of random policies
JOURNAL = "unfinished.csv"


@dataclass(frozen=True, eq=False)
class DamageTables:
    """What the policies of the layers of a network damage.

    Attributes:
        alone: For each gene the damage of its values alone, shape (values,): of blocks and widths, if there are any,
            then of the policies of the layers; 0 of genes that another one may make inactive.
        pairs: What neighbours damage together beyond the sum of both, where the job goes by it.
        conditional: The damage of genes that others may make inactive, such as policies of layers within a block, as
            tables with the gene that does: 0 where it does.
    """

    alone: tuple[FloatArray, ...] = ()
    pairs: tuple[Term, ...] = ()
    conditional: tuple[Term, ...] = ()

    @classmethod
    def from_entries(cls, damage: Sequence[FloatArray], space: JointSpace) -> DamageTables:
        """The tables of the damage of each gene's values.

        Args:
            damage: For each gene the damage of its values where it is active, shape (values,).
            space: The space of the genes.
        """
        alone, conditional = list[FloatArray](), list[Term]()
        for gene, known in enumerate(damage):
            if (condition := space.find_condition(gene)) is not None:
                conditional.append(Term((condition[0], gene), condition[1][:, None] * known))
            alone.append(known if condition is None else np.zeros(len(known)))
        return cls(tuple(alone), (), tuple(conditional))

    @property
    def together(self) -> tuple[Term, ...]:
        """All that several genes decide together."""
        return self.conditional + self.pairs


@dataclass(frozen=True, eq=False)
class JudgedTable:
    """The damage of each width and policy alone, and what it is worth.

    Attributes:
        damage: For each gene the damage of its values where it is active, shape (values,).
        quality: How far its sums tell what random policies of all layers do.
        policies: Number of these; of fewer than `FEWEST` nothing is told.
    """

    damage: tuple[FloatArray, ...]
    quality: MetricQuality
    policies: int


def find_damage(metric: str, subject: Subject, execution: Execution, pairs: bool) -> DamageTables:
    """The damage of each width and policy alone, and of pairs of policies where layers do not damage on their own.

    All of it is measured unless it is known. Where widths or blocks are searched, pairs are not.

    Args:
        metric: Name of the sensitivity metric.
        subject: The given network, the samples and how networks are compressed.
        execution: The runs, the workers and the reporter of the job.
        pairs: Whether pair terms may be used.

    Raises:
        NotMeasurable: If the damage of a policy of a layer cannot be measured, or is not finite.
        ValueError: If the stored table was damaged, or the metric needs what the job does not have.
    """
    reporter, inputs = execution.reporter, describe_table(subject) | {"sensitivity": metric}
    found = find_table(metric, subject, execution)
    tables = DamageTables.from_entries(found.damage, subject.space)
    if _say_quality(found, reporter):
        return tables
    if not pairs or "widths" in inputs:
        reporter.say(f"damage   {BELOW}: {FALL_BACK}")
        return tables
    entries, folder = DamageEntries(metric, subject, execution), execution.runs.path("pairs", inputs)
    return DamageTables(found.damage, find_pairs(PairEntries(entries, found.damage), folder))


def find_table(metric: str, subject: Subject, execution: Execution) -> JudgedTable:
    """The damage of each width and policy alone, and what it is worth; measured unless it is known.

    Args:
        metric: Name of the sensitivity metric.
        subject: The given network, the samples and how networks are compressed.
        execution: The runs, the workers and the reporter of the job.

    Raises:
        NotMeasurable: As `find_damage` describes.
        ValueError: As `find_damage` describes.
    """
    folder = execution.runs.path("sensitivity", describe_table(subject) | {"sensitivity": metric})
    if not StageFolder(folder).holds(TABLE, ADDITIVITY):
        begun = time.monotonic()
        _measure(DamageEntries(metric, subject, execution), folder)
        execution.reporter.say(f"damage   {time.monotonic() - begun:.0f} s: {folder / TABLE}")
    stored = json.loads((folder / ADDITIVITY).read_text(encoding="utf-8"))
    policies = int(stored.pop("policies"))
    return JudgedTable(_read(folder / TABLE, subject.space), MetricQuality(**stored), policies)


def describe_table(subject: Subject) -> dict[str, object]:
    """The inputs of tables of damage, whatever the metric is.

    Args:
        subject: The given network, the samples and how networks are compressed.
    """
    space = subject.space
    inputs: dict[str, object] = {"subject": subject.digest, "policies": space.policies.to_json()}
    if architecture_genes := {gene.name: gene.values for gene in space.architectures.genes}:
        # of blocks as well as widths; another key would be another folder, and earlier runs would be measured again
        inputs["widths"] = architecture_genes
    return inputs | {"samples": subject.count_calibrating(CALIBRATION_SAMPLES)}


def check_sensitivity(metric: str, traced: TracedNetwork, task: Task, labelled: bool = True) -> None:
    """Makes sure, without any work, that a metric has what it needs of a given network and of the task of its samples.

    Args:
        metric: Name of the sensitivity metric.
        traced: The network.
        task: The task of the samples.
        labelled: Whether these have labels; distilled ones have none.

    Raises:
        ValueError: If it has not.
    """
    ((_, shape),) = traced.graph.inputs
    data = CalibrationData(torch.zeros(1, *shape), torch.zeros(1) if labelled else None)
    SENSITIVITY_METRICS[metric]().check(CompressionSubject.uniform_choices(traced, [LayerPolicy()], data, task=task))


def say_agreement(damage: DamageTables, genes: Genes, costs: FloatArray, name: str, reporter: Reporter) -> None:
    """Prints how far the order of candidates by summed damage is that by a measured metric; nothing if all are alike.

    Args:
        damage: The tables.
        genes: The candidates, shape (n, genes).
        costs: The metric of the candidates as a cost, shape (n,).
        name: Name of the metric.
        reporter: Prints it.
    """
    sums = sum_damage(damage.alone, genes.astype(np.int64), damage.together)
    if np.ptp(sums) > 0 and np.ptp(costs) > 0:
        found, _ = correlate_ranks(sums, costs)
        reporter.say(f"damage   rank correlation {found:.2f} with {name} of {len(costs)} measured candidates")


def _measure(entries: DamageEntries, folder: Path) -> None:
    """Measures the table, writes it and what it is worth, and then what says that both are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    known = measure_entries(entries, folder / JOURNAL)
    damage = entries.tabulate(known)
    chosen, measured = entries.take_measured(known)
    seconds = sum(known[name_entry(one)].seconds for one in entries.alone.values())
    tables = DamageTables.from_entries(damage, entries.subject.space)
    quality = judge_sums(entries.metric, tables.alone, chosen, measured, seconds, tables.together)
    _write(folder / TABLE, damage, entries.subject.space)
    with atomic_write(folder / ADDITIVITY) as draft:
        draft.write_text(json.dumps(asdict(quality) | {"policies": len(measured)}), encoding="utf-8")
    StageFolder(folder).record(TABLE, ADDITIVITY)
    (folder / JOURNAL).unlink()


def _say_quality(found: JudgedTable, reporter: Reporter) -> bool:
    """Prints what the table is worth; whether its sums are to be trusted, or nothing can be told of them."""
    policies, quality = found.policies, found.quality
    if policies < FEWEST:
        reporter.say(f"damage   {policies} different policies, too few to tell whether the damage of layers adds up")
        return True
    ranks = f"rank correlation {quality.spearman:.2f} with {policies} random policies"
    reporter.say(f"damage   R2 {quality.r2:.2f} and {ranks}, after {quality.seconds:.0f} s of one worker")
    return quality.is_additive


def label_entries(space: JointSpace) -> list[tuple[str, str]]:
    """What the entries of a table are of, in its order: a layer and a policy, or a gene of channels and a width."""
    return [
        (gene.name.removesuffix(".policy") if gene.is_policy else gene.name, str(value))
        for gene in space.genes
        for value in gene.values
    ]


def _write(path: Path, damage: tuple[FloatArray, ...], space: JointSpace) -> None:
    found = np.concatenate(damage).tolist()
    rows = [(*label, value) for label, value in zip(label_entries(space), found, strict=True)]
    with atomic_write(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("layer", "policy", "damage"), *rows])


def _read(path: Path, space: JointSpace) -> tuple[FloatArray, ...]:
    """The table of a file that was found whole; its rows are in the order of the space."""
    with path.open(newline="", encoding="utf-8") as file:
        values = np.array([float(row["damage"]) for row in csv.DictReader(file)])
    return tuple(np.split(values, np.cumsum(space.cardinalities)[:-1]))
