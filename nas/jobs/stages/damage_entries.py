"""Measures the entries of a table of damage, and random policies beside them, in the workers of a job.

Every entry is measured for itself: which worker measures it, and in which order, changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.compression.sensitivity.additivity import draw_candidates
from nas.compression.sensitivity.policy_runs import compress_alone
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.evaluation.damage import DAMAGE, SECONDS, DamageMeasurement, make_equalized_subject, make_subject
from nas.evaluation.realize import one_thread
from nas.jobs.console.damage_progress import describe_entries, follow_damage
from nas.jobs.console.plain_text import describe_duration
from nas.jobs.execution import Execution
from nas.jobs.stages.damage_journal import DamageJournal, MeasuredDamage, NotMeasurable, name_entry, name_policy
from nas.jobs.stages.subject import Subject
from nas.objectives import Failure, FloatArray
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

CALIBRATION_SAMPLES = 512  # training samples on which damage is measured; the publications take 256 to 1,024
WHOLE_SHARE = 0.25  # of the samples, for random policies: what is asked is how they compare, on the same samples
_TRIAL = 16  # part of the samples on which a metric is timed that finds all damage at once

_Entry = tuple[int, int]  # index of a gene, and of one of its values
_Known = dict[str, MeasuredDamage]


@dataclass(frozen=True, eq=False)
class DamageEntries:
    """What is to be measured: each policy of each layer, each width of channels and no block alone, and random ones.

    Attributes:
        metric: Name of the sensitivity metric.
        subject: The given network, the samples and how networks are compressed.
        execution: The workers and the reporter of the job.
    """

    metric: str
    subject: Subject
    execution: Execution

    @cached_property
    def chosen(self) -> NDArray[np.int64]:
        """The random candidates, see `draw_candidates`: the index of each gene's value, shape (candidates, genes)."""
        return draw_candidates(self.subject.space)

    @cached_property
    def alone(self) -> dict[_Entry, Candidate]:
        """The networks in which one layer is compressed, one group of channels narrower, or one block left out."""
        space, neutral = self.subject.space, LayerPolicy()
        largest, unchanged = space.architectures.cardinalities - 1, [neutral] * len(space.slots)
        found = {
            (gene, value): self.make_candidate(unchanged, [*largest[:gene], value, *largest[gene + 1 :]])
            for gene, last in enumerate(largest.tolist())
            for value in range(last)
        }
        layers = enumerate(space.slot_policies)
        entries = [(layer, value, one) for layer, known in layers for value, one in enumerate(known)]
        return found | {
            (len(largest) + layer, value): self.make_candidate(compress_alone(len(space.slots), layer, one).layers)
            for layer, value, one in entries
            if one != neutral
        }

    @cached_property
    def whole(self) -> Sequence[Candidate]:
        """The networks of the random candidates."""
        return self.subject.space.population(self.chosen).candidates

    def make_candidate(self, policies: Sequence[LayerPolicy], genes: ArrayLike | None = None) -> Candidate:
        """The network of the job under policies.

        Args:
            policies: A policy for each layer of the whole network; those of layers that are left out do not count.
            genes: Genes of its blocks and widths, shape (genes,); None for all blocks and channels.
        """
        space = self.subject.space.architectures
        architecture = space.largest() if genes is None else space.decode(np.array(genes, dtype=np.int16))
        there = {layer.name for layer in space.layers(architecture)}
        chosen = (policy for slot, policy in zip(space.slots, policies, strict=True) if slot.name in there)
        return Candidate(architecture, CompressionPolicy(tuple(chosen)))

    def take_measured(self, known: Mapping[str, MeasuredDamage]) -> tuple[NDArray[np.int64], FloatArray]:
        """The random candidates that were measured, as `chosen` has them, and their damage, shape (candidates,).

        Args:
            known: What was measured, by `name_policy`.
        """
        names = [name_policy(one) for one in self.whole]
        held = [name in known for name in names]
        return self.chosen[held], np.array([known[name].damage for name in names if name in known])

    def tabulate(self, known: Mapping[str, MeasuredDamage]) -> tuple[FloatArray, ...]:
        """The table: for each gene the damage of its values, shape (values,), 0 where it is less.

        Args:
            known: What was measured, by `name_entry` and `name_policy`.
        """
        return tuple(
            np.array([self._damage((gene, value), known) for value in range(count)])
            for gene, count in enumerate(self.subject.space.cardinalities.tolist())
        )

    def _damage(self, entry: _Entry, known: Mapping[str, MeasuredDamage]) -> float:
        return max(known[name_entry(self.alone[entry])].damage, 0.0) if entry in self.alone else 0.0


def measure_entries(entries: DamageEntries, path: Path) -> Mapping[str, MeasuredDamage]:
    """Measures all entries and policies, but for those that a journal holds; says first how long it will take.

    Args:
        entries: The entries.
        path: The file of the journal.

    Returns:
        What was measured, by `name_entry` and `name_policy`; without random policies that could not be measured, as
        they only judge the table.

    Raises:
        NotMeasurable: If the damage of a policy of a layer cannot be measured, or is not finite.
        ValueError: If the metric needs what the job does not have.
    """
    realizer, metric = entries.subject.realizer(), SENSITIVITY_METRICS[entries.metric]()
    by_policy = metric.measure_policies(make_subject(realizer, 1)) is not None
    journal = DamageJournal(path)
    known, alone = journal.read(), {name_entry(one): one for one in entries.alone.values()}
    count = describe_entries(entries.subject.space, len(entries.whole))
    held = f", {len(known)} before" if known else ""
    entries.execution.reporter.say(f"damage   measuring {count}, by {entries.metric}{held}")
    if not by_policy and not alone.keys() <= known.keys():
        for name, measured in _measure_at_once(entries).items():
            known[name] = measured
            journal.add(name, measured)
    _measure_missing(entries, alone if by_policy else {}, known, journal)
    return known


def _measure_at_once(entries: DamageEntries) -> _Known:
    """The entries by a metric that finds them all together, in this process."""
    metric, reporter = SENSITIVITY_METRICS[entries.metric](), entries.execution.reporter
    subject = make_equalized_subject(entries.subject.realizer(), CALIBRATION_SAMPLES)
    subject = replace(subject, choices=entries.subject.space.slot_policies)
    data = subject.need_data()
    with one_thread(), reporter.bar("measure damage", None):
        begun = time.monotonic()
        metric.damage(replace(subject, data=data.take(max(len(data) // _TRIAL, 1))))
        trial_s = _TRIAL * (time.monotonic() - begun)
        reporter.say(f"damage   about {describe_duration(trial_s)}, by a trial on few samples")
        begun = time.monotonic()
        damage = metric.damage(subject)
        share_s = (time.monotonic() - begun) / max(len(entries.alone), 1)
    for (layer, choice), one in entries.alone.items():
        if not np.isfinite(damage[layer][choice]):
            raise _refuse(entries, one, f"damage is {damage[layer][choice]}")
    return {name_entry(one): MeasuredDamage(float(damage[i][k]), share_s) for (i, k), one in entries.alone.items()}


def _refuse(entries: DamageEntries, candidate: Candidate, reason: str) -> NotMeasurable:
    """The error for a policy of a layer, a width of a group, or a block left out, without whose damage is no table."""
    ((gene, value),) = [entry for entry, one in entries.alone.items() if one == candidate]
    found = entries.subject.space.genes[gene]
    what, remedy = f"{found.name} {found.values[value]}", "take fewer or larger widths, or no space.blocks"
    if found.is_policy:
        what = f"{found.values[value]} for layer {found.name.removesuffix('.policy')}"
        remedy = "leave the policy out by a rule in space.policies_for"
    return NotMeasurable(
        f"the damage of {what} by {entries.metric} must be a finite number, and could not be measured: {reason}; "
        f"{remedy}, or take another sensitivity metric"
    )


def _measure_missing(
    entries: DamageEntries, alone: Mapping[str, Candidate], known: _Known, journal: DamageJournal
) -> None:
    """Measures in the workers what is not known: first of the last, the middle, the first and of all layers."""
    whole = {name_policy(one): one for one in entries.whole}
    names, candidates, execution = [*alone] or [*whole], {**alone, **whole}, entries.execution
    timed = [names[-1], names[len(names) // 2], names[0], *[*whole][:1]]
    missing = [name for name in dict.fromkeys([*timed, *candidates]) if name not in known]
    told, reporter, failed = not missing, execution.reporter, dict[str, str]()

    def keep(name: str, found: MeasuredDamage | Failure) -> None:
        nonlocal told
        if not isinstance(found, Failure):
            known[name] = found
            journal.add(name, found)
        elif name in alone:
            raise _refuse(entries, alone[name], found.reason)
        else:
            failed[name] = found.reason
        if not told and known.keys() | failed.keys() >= {*timed} and known.keys() & {*names}:
            told = True
            left_s = _estimate(known, alone, whole) / execution.workers.count
            reporter.say(f"damage   about {describe_duration(left_s)} to go, by the first measurements")

    wanted = {name: (candidates[name], 1.0 if name in alone else WHOLE_SHARE) for name in missing}
    measure_in_workers(entries, wanted, keep)
    if failed:
        count = f"{len(failed)} of {len(whole)} random policies could not be measured, and do not judge the table"
        reporter.say(f"damage   {count}; the first: {next(iter(failed.values()))}")


def measure_in_workers(
    entries: DamageEntries,
    wanted: Mapping[str, tuple[Candidate, float]],
    keep: Callable[[str, MeasuredDamage | Failure], None],
) -> None:
    """Measures the damage of policies in the workers of the job, and shows how far it is.

    Args:
        entries: The metric, the subject and the workers.
        wanted: By any name, a candidate and the share of the samples on which its damage is measured.
        keep: Called in this process with each name and what was measured of it, as it comes.
    """
    execution, workers = entries.execution, entries.execution.workers.count
    samples = entries.subject.count_calibrating(CALIBRATION_SAMPLES)  # of which shares are taken
    measurement = DamageMeasurement(entries.subject.measurement, entries.metric, samples, workers)
    with execution.open_pool() as pool, follow_damage(execution.reporter, len(wanted)) as advance:
        measuring = pool.measuring(measurement)
        futures = {measuring.submit(*asked): name for name, asked in wanted.items()}
        for future in as_completed(futures):
            values = future.result()
            found = values if isinstance(values, Failure) else MeasuredDamage(values[DAMAGE], values[SECONDS])
            keep(futures[future], found)
            advance()


def _estimate(known: _Known, alone: Mapping[str, Candidate], whole: Mapping[str, Candidate]) -> float:
    """Seconds that one worker takes for the rest, by what is known."""
    seconds = [known[name].seconds for name in (alone or whole) if name in known]
    left = [sum(name not in known for name in group) for group in (alone, whole)]
    # where the one of all layers that was timed could not be measured, the others take as long as the dearest layer
    whole_s = [known[name].seconds for name in whole if name in known] or [max(seconds)]
    return left[0] * float(np.mean(seconds)) + left[1] * float(np.mean(whole_s))
