"""How long the search of a given network will take, told before anything is measured."""

from __future__ import annotations

import time

from nas.evaluation.measuring import measure_here
from nas.jobs.console.plain_text import describe_duration
from nas.jobs.execution import Execution
from nas.jobs.stages.subject import Subject


def say_forecast(evaluations: int, subject: Subject, execution: Execution) -> None:
    """Prints for how long candidates will be measured, by measuring one of the fewest bits; nothing for Ray's workers.

    Args:
        evaluations: Number of candidates, at most.
        subject: The given network.
        execution: The workers and the reporter of the job.
    """
    space, measurement, workers = subject.space, subject.measurement, execution.workers
    if workers.ray_address is not None:
        return  # other machines measure
    measure_here(measurement, space.largest(), 1.0)  # makes what all candidates share
    begun = time.monotonic()
    measure_here(measurement, space.smallest(), 1.0)  # where it fails, the search will say so
    each_s = time.monotonic() - begun
    on = "" if workers.count == 1 else f" on {workers.count} workers"
    left = describe_duration(evaluations * each_s / workers.count)
    execution.reporter.say(
        f"search   up to {evaluations} candidates at about {each_s:.2g} s each{on}: about {left}, besides what it "
        "needs to know first"
    )
