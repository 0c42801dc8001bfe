"""Whether what a search trades, limits and goes by are metrics of the job's task, with values that these can have."""

from __future__ import annotations

from nas.jobs.files.compression_section import DATA_FREE
from nas.jobs.files.limit import check_limit
from nas.jobs.files.search_section import SearchSection
from nas.jobs.files.space_section import SpaceSection
from nas.jobs.files.task_section import TaskSection
from nas.tasks.metrics.registry import MEASURED_METRICS
from results.metric import METRICS, get_metric
from search_spaces.registry import unknown_name_error

CORRUPTED = "corrupted_accuracy"


def check_metrics(task: TaskSection, search: SearchSection, labelled: bool = True, given: bool = True) -> None:
    """Checks the objectives and limits of a search.

    Args:
        task: The task of the job, with metrics of one's own.
        search: The search section of the job.
        labelled: Whether samples have labels.
        given: Whether candidates are made of a given network, whose outputs theirs can be compared with.

    Raises:
        ValueError: If a metric is unknown or for another task, needs labels or a given network where there are none,
            none is measured, or a limit is beyond what values of its metric can be, or a share of a given network that
            is not there; or a corruption is stated and none measured under it, or the other way round.
    """
    suitable = [name for name in MEASURED_METRICS if task.kind in MEASURED_METRICS[name].tasks]
    measured = [*task.metrics, *suitable]
    without = [name for name in suitable if not MEASURED_METRICS[name].needs_labels]
    for name in search.asked if not labelled else ():
        if name in measured and name not in without:
            raise ValueError(
                f"{name} needs labels, and this job has none (data.labelled: false, or compression.calibration: "
                f"{DATA_FREE} without a section data); name {' or '.join(without)}"
            )
    for name in search.asked if not given else ():
        if name in without:
            raise ValueError(
                f"{name} compares candidates with a given network (space.network), and this job trains a supernet; "
                "leave it out"
            )
    others = [name for name in METRICS if name not in MEASURED_METRICS]
    for name in search.asked:
        if name in measured or name in others:
            continue
        if name in MEASURED_METRICS:
            tasks = " and ".join(MEASURED_METRICS[name].tasks)
            raise ValueError(f"{name} is a metric of {tasks}; this job's task {task.kind} has {', '.join(measured)}")
        raise unknown_name_error("objective", name, [*measured, *others])
    if not set(search.asked) & set(measured):
        known = " or ".join(measured)
        raise ValueError(f"nothing is to be measured; name {known} in objectives or limits, got {search.asked}")
    if CORRUPTED in search.asked and search.corruption is None:
        raise ValueError(
            f"{CORRUPTED} is measured under search.corruption; state one, such as {{name: gaussian_noise, severity: 3}}"
        )
    if search.corruption is not None and CORRUPTED not in search.asked:
        raise ValueError(f"search.corruption is for {CORRUPTED}; name that in objectives or limits, or leave it out")
    _check_limits(task, search, given)


def check_pruning(space: SpaceSection, task: TaskSection, search: SearchSection) -> None:
    """Checks what a job of a given network states beside widths or blocks, if anything. Loads torch only then.

    Args:
        space: The space of the job.
        task: Says what the outputs mean.
        search: Says by which sensitivity metric it goes, if by any.

    Raises:
        ValueError: If the damage of widths and blocks is not in the unit of the sensitivity metric.
    """
    if space.widths is None and space.blocks is None:
        return
    if (metric := search.method().damage_metric) is not None:
        from nas.evaluation.narrow_damage import need_degradation

        need_degradation(metric, task.create())


def _check_limits(task: TaskSection, search: SearchSection, given: bool) -> None:
    own = task.own_metrics
    for name, limit in search.limits.items():
        if isinstance(limit, str):
            if not given:
                raise ValueError(
                    f"search.limits.{name} is {limit}, and this job trains a supernet, so that no network is given "
                    "(space.network); state a number"
                )
            continue  # it is a number once the network is measured
        if name not in search.measured and not limit > 0:
            raise ValueError(f"search.limits.{name} must be above 0, as every {name} is, got {limit:g}")
        check_limit(own[name] if name in own else get_metric(name), limit, f"{limit:g}")
