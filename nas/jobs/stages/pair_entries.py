"""What neighbouring layers damage together, measured where a table of damage does not add up.

All is measured on the same part of the samples: both layers of a pair, each of them alone, and the random policies that
judge. Nothing is fitted to these, so that R2 tells of pair terms what it tells of the table.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path

import numpy as np

from nas.compression.sensitivity.additivity import LEAST_R2, MetricQuality, judge_sums
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.evaluation.damage import make_subject
from nas.files import atomic_write
from nas.jobs.console.plain_text import describe_duration
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.damage_entries import (
    WHOLE_SHARE,
    DamageEntries,
    measure_in_workers,
)
from nas.jobs.stages.damage_journal import DamageJournal, MeasuredDamage, name_entry, name_policy
from nas.objectives import Failure, FloatArray
from search_spaces.additive_cost import Term
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import LayerPolicy

TABLE = "pairs.csv"  # columns layer, policy, next, policy of the next, damage
ADDITIVITY = "additivity.json"  # of the table alone, and with pairs; see `MetricQuality`
JOURNAL = "unfinished.csv"
FEWEST = 3  # random policies: through two points there is always a line
LEAST_GAIN = 0.02  # of R2, with pair terms; what is less tells nothing among 30 random policies
_TIMED = 3  # policies that are measured before it is said how long the others take
_NEIGHBOURS = "a layer and the next"
BELOW = f"below an R2 of {LEAST_R2:g} layers do not damage on their own"
FALL_BACK = "the search goes by measuring, which corrects the table"

_Known = Mapping[str, MeasuredDamage]


@dataclass(frozen=True, eq=False)
class PairEntries:
    """What is to be measured: policies of two neighbours, each of them alone, and random policies of all layers.

    Neighbours are a layer and the next in the order of the network: allocators take their tables in one sweep, in which
    one layer is open, and there are as many of them as layers.

    Attributes:
        entries: The table of damage, and its random policies.
        damage: What it holds: for each layer the damage of its policies, shape (policies of the layer,).
    """

    entries: DamageEntries
    damage: tuple[FloatArray, ...]

    @cached_property
    def wanted(self) -> dict[str, Candidate]:
        """All candidates by name; those that begin at one layer follow each other: they share what runs before it."""
        found: dict[str, Candidate] = {}
        alone = list(self.entries.alone.items())
        for layer in range(len(self.damage)):
            found |= {name_entry(one): one for (at, _), one in alone if at == layer}
            found |= {_name_pair(one): one for (at, _, _), one in self._together.items() if at == layer}
        return found | {name_policy(one): one for one in self.entries.whole}

    @cached_property
    def _together(self) -> dict[tuple[int, int, int], Candidate]:
        """The networks in which two neighbours are compressed, by the first layer and the choices of both."""
        choices, neutral = self.entries.subject.space.slot_policies, LayerPolicy()
        return {
            (layer, choice, other): self.entries.make_candidate(
                [{layer: first, layer + 1: second}.get(index, neutral) for index in range(len(choices))]
            )
            for layer, (known, following) in enumerate(pairwise(choices))
            for (choice, first), (other, second) in product(enumerate(known), enumerate(following))
            if neutral not in (first, second)
        }

    def tabulate(self, known: _Known) -> tuple[Term, ...]:
        """For each layer and the next L(i, j) - L(i) - L(j), over the policies of both; 0 where one is left as it is.

        Args:
            known: What was measured of all that is wanted.
        """
        sizes, alone = [len(table) for table in self.damage], self.entries.tabulate(known)
        tables = [np.zeros(shape) for shape in pairwise(sizes)]
        for (layer, choice, other), one in self._together.items():
            both = max(known[_name_pair(one)].damage, 0.0)
            tables[layer][choice, other] = both - alone[layer][choice] - alone[layer + 1][other]
        return tuple(Term((layer, layer + 1), table) for layer, table in enumerate(tables))

    def describe(self, candidate: Candidate) -> str:
        """The policies of the layers that a candidate compresses, with the names of these, for a line."""
        slots = self.entries.subject.space.architectures.slots
        named = zip(slots, candidate.policy.layers, strict=True)
        return " with ".join(f"{policy} for layer {slot.name}" for slot, policy in named if policy != LayerPolicy())

    def judge(self, known: _Known, pairs: tuple[Term, ...]) -> MetricQuality:
        """How far the sums of the table, and of pair terms, tell what the random policies damage.

        Args:
            known: What was measured of all that is wanted; random policies may lack, and do not judge then.
            pairs: The pair terms; there may be none.
        """
        seconds = sum(known[name].seconds for name in self.wanted if name in known)
        return judge_sums(self.entries.metric, self.damage, *self.entries.take_measured(known), seconds, pairs)


class _Unmeasured(Exception):
    """Of one layer or of two the damage cannot be measured; without it there are no pair terms."""


def find_pairs(wanted: PairEntries, folder: Path) -> tuple[Term, ...]:
    """The pair terms by which an allocation goes; measured unless they are known. What it goes by is said.

    Args:
        wanted: What is to be measured.
        folder: Where it is stored; it may not be there yet.

    Returns:
        Tables of each layer and the next; none if there is no next, if the metric finds all damage at once, so that no
        damage of two layers is in its unit, or fits layers for every pair, if one cannot be measured, at which it
        stops, or too few random policies can, or if R2 is not higher with them by `LEAST_GAIN`.

    Raises:
        ValueError: If what is stored was damaged.
    """
    entries = wanted.entries
    metric, reporter = SENSITIVITY_METRICS[entries.metric](), entries.execution.reporter
    known, why = StageFolder(folder).holds(TABLE, ADDITIVITY), ""
    if len(wanted.damage) < 2:
        why = "there is one layer"
    elif metric.measure_policies(make_subject(entries.subject.realizer(), 1)) is None:
        why = f"{entries.metric} knows no damage of two layers"
    elif metric.fits and not known:
        why = f"{entries.metric} would fit layers anew {len(wanted.wanted)} times to measure pairs of them"
    if why:
        reporter.say(f"damage   {BELOW}, and {why}: {FALL_BACK}")
        return ()
    if not known:
        reporter.say(f"damage   {BELOW}: measuring what {_NEIGHBOURS} damage together")
        if reason := _measure(wanted, folder):
            reporter.say(f"damage   {reason}: {FALL_BACK}")
            return ()
    stored = json.loads((folder / ADDITIVITY).read_text(encoding="utf-8"))
    alone, together = MetricQuality(**stored["alone"]), MetricQuality(**stored["together"])
    helps = together.r2 - alone.r2 >= LEAST_GAIN
    reporter.say(
        f"damage   R2 {alone.r2:.2f} by layers alone, {together.r2:.2f} with what {_NEIGHBOURS} damage together: "
        + ("the search goes by these pair terms, too" if helps else FALL_BACK)
    )
    if helps and not together.is_additive:
        reporter.say(f"damage   that is still below {LEAST_R2:g}: {FALL_BACK}")
    return _read(folder / TABLE, wanted.damage) if helps else ()


def _measure(wanted: PairEntries, folder: Path) -> str:
    """Measures, and writes the tables and what they are worth; returns the reason if there can be none."""
    folder.mkdir(parents=True, exist_ok=True)
    entries, journal, begun = wanted.entries, DamageJournal(folder / JOURNAL), time.monotonic()
    known, failed, judging = journal.read(), list[str](), {name_policy(one) for one in entries.whole}
    missing = {name: (one, WHOLE_SHARE) for name, one in wanted.wanted.items() if name not in known}
    # some from the first to the last layer come first, which tell how long the others will take
    timed = {name: missing[name] for name in [*missing][:: max(len(missing) // _TIMED, 1)]}
    rest = {name: one for name, one in missing.items() if name not in timed}

    def keep(name: str, found: MeasuredDamage | Failure) -> None:
        if not isinstance(found, Failure):
            known[name] = found
            journal.add(name, found)
        elif name in judging:
            failed.append(found.reason)
        else:
            raise _Unmeasured(f"{wanted.describe(missing[name][0])} could not be measured ({found.reason})")

    reporter = entries.execution.reporter
    try:
        measure_in_workers(entries, timed, keep)
        if rest and (seconds := [known[name].seconds for name in timed if name in known]):
            left_s = len(rest) * float(np.mean(seconds)) / entries.execution.workers.count
            reporter.say(f"damage   {len(rest)} of {len(missing)} policies left, about {describe_duration(left_s)}")
        measure_in_workers(entries, rest, keep)
    except _Unmeasured as error:
        return str(error)
    if failed:
        count = f"{len(failed)} of {len(judging)} random policies could not be measured, and do not judge pair terms"
        reporter.say(f"damage   {count}; the first: {failed[0]}")
    if (left := len(judging) - len(failed)) < FEWEST:
        return f"{left} random policies are too few to judge pair terms"
    pairs = wanted.tabulate(known)
    with atomic_write(folder / TABLE) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(_list_rows(entries, pairs))
    qualities = {"alone": asdict(wanted.judge(known, ())), "together": asdict(wanted.judge(known, pairs))}
    with atomic_write(folder / ADDITIVITY) as draft:
        draft.write_text(json.dumps(qualities), encoding="utf-8")
    StageFolder(folder).record(TABLE, ADDITIVITY)
    (folder / JOURNAL).unlink()
    reporter.say(f"damage   {time.monotonic() - begun:.0f} s: {folder / TABLE}")
    return ""


def _name_pair(candidate: Candidate) -> str:
    """The name of the policy of two neighbours, which may be equal to a random one of all layers."""
    return f"pair {candidate.key}"


def _list_rows(entries: DamageEntries, pairs: tuple[Term, ...]) -> Iterator[tuple[object, ...]]:
    """The rows of the table of pairs, with the names of its columns."""
    space = entries.subject.space
    names, choices = [slot.name for slot in space.architectures.slots], space.slot_policies
    yield "layer", "policy", "next", "next_policy", "damage"
    for term in pairs:
        first, second = term.columns
        for index in np.ndindex(*term.table.shape):
            policies = str(choices[first][index[0]]), str(choices[second][index[1]])
            yield names[first], policies[0], names[second], policies[1], float(term.table[index])


def _read(path: Path, damage: tuple[FloatArray, ...]) -> tuple[Term, ...]:
    """The tables of a file that was found whole; its rows are in the order of the layers."""
    with path.open(newline="", encoding="utf-8") as file:
        values = np.array([float(row["damage"]) for row in csv.DictReader(file)])
    shapes = [*pairwise(map(len, damage))]
    tables = np.split(values, np.cumsum([first * second for first, second in shapes])[:-1])
    return tuple(
        Term((layer, layer + 1), table.reshape(shape))
        for layer, (table, shape) in enumerate(zip(tables, shapes, strict=True))
    )
