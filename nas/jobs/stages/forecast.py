"""How long the search of a given network will take, told before anything is measured."""

from __future__ import annotations

import time

import numpy as np

from nas.evaluation.measuring import measure_here
from nas.jobs.console.plain_text import describe_duration
from nas.jobs.execution import Execution
from nas.jobs.stages.subject import Subject
from search_spaces.candidate import Architecture, Candidate
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace


def say_forecast(evaluations: int, subject: Subject, execution: Execution) -> None:
    """Prints for how long candidates will be measured, by measuring some of few bits on this machine.

    Where networks are repaired, those of uniform policies are made in several ways, which takes longer than others.

    Args:
        evaluations: Number of candidates, at most.
        subject: The given network.
        execution: The workers and the reporter of the job.
    """
    space, measurement, workers = subject.space, subject.measurement, execution.workers

    def time_one(candidate: Candidate) -> float:
        begun = time.monotonic()
        measure_here(measurement, candidate, 1.0)  # where it fails, the search will say so
        return time.monotonic() - begun

    time_one(_take_example(space, space.largest().architecture, mixed=True))  # makes what all candidates share
    each_s = time_one(_take_example(space, space.smallest().architecture, mixed=True))
    uniform = 0 if measurement.methods.repair is None else min(_count_uniform(space), evaluations)
    uniform_s = time_one(_take_example(space, space.largest().architecture, mixed=False)) if uniform else 0.0
    among = f", uniform ones at {uniform_s:.2g} s" if uniform else ""
    on = "" if workers.count == 1 else f" on {workers.count} workers"
    if workers.ray_address is not None:
        on += ", if the cluster is as fast as this machine"
    left = describe_duration(((evaluations - uniform) * each_s + uniform * uniform_s) / workers.count)
    execution.reporter.say(
        f"search   up to {evaluations} candidates at about {each_s:.2g} s each{among}{on}: about {left}, besides "
        "what it needs to know first"
    )


def _take_example(space: JointSpace, architecture: Architecture, mixed: bool) -> Candidate:
    """An architecture with the policy of the fewest bits in all layers, or with another one in the first that may."""
    few = int(np.argmin([policy.weight_bits for policy in space.policies.all_policies]))
    genes = np.concatenate([space.architectures.encode_once(architecture), space.uniform_policies[few]])
    free = len(space.architectures.choices) + np.flatnonzero([len(known) > 1 for known in space.slot_policies])
    for gene in free[:1] if mixed else ():
        genes[gene] = (genes[gene] + 1) % space.cardinalities[gene]
    return space.population(genes)[0]


def _count_uniform(space: JointSpace) -> int:
    """Number of policies, but for the neutral one, that all layers may take."""
    return sum(
        policy != LayerPolicy() and all(policy in known for known in space.slot_policies)
        for policy in space.policies.all_policies
    )
