"""What the given network of a job is worth as it was given: limits of a search may be shares of that."""

from __future__ import annotations

import json

from hardware.input_file import read_text
from nas.compression.tracing.trace import TracedNetwork
from nas.files import atomic_write
from nas.jobs.execution import Execution
from nas.jobs.files.limit import resolve_limit
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.subject import Subject

_VALUES = "given.json"
_MOST_BYTES = 1 << 16  # of the file: a number for each of a few metrics


def measure_given(section: SearchSection, subject: Subject, execution: Execution) -> dict[str, float]:
    """The measured metrics of the network as it was given, of which limits are shares, by name; measured once.

    Args:
        section: The search section of the job.
        subject: The network, the images and the metrics.
        execution: The runs and the reporter of the job.

    Returns:
        Values in the unit of each metric; none if no limit on what is measured is a share.

    Raises:
        ValueError: If they were measured before, and their file is damaged; or `resolve_limit` refuses a share of them.
    """
    limited = [one for one in subject.measurement.metrics if isinstance(section.limits.get(one.metric.name), str)]
    names = [one.metric.name for one in limited]
    if not limited:
        return {}
    stage = StageFolder(execution.runs.path("given", {"subject": subject.digest, "metrics": names}))
    file = stage.path / _VALUES
    if not stage.holds(file.name):
        realizer, validation = subject.realizer(), subject.data.validation
        assert isinstance(realizer.source, TracedNetwork)  # a job with a supernet is refused when it is read
        network, ((_, shape),) = realizer.source.network(), realizer.source.graph.inputs
        found = realizer.measure_network(network, shape[-1], validation, limited)
        stage.path.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as draft:
            draft.write_text(json.dumps(found), encoding="utf-8")
        stage.record(file.name)
    measured: dict[str, float] = json.loads(read_text(file, _MOST_BYTES))
    for metric in (one.metric for one in limited):
        stated, value = section.limits[metric.name], measured[metric.name]
        limit = metric.render(resolve_limit(metric, stated, value))
        bound = f"{limit} or {'more' if metric.maximize else 'less'}"
        execution.reporter.say(f"limits   {metric.name} must be {bound}, {stated}: it was {metric.render(value)}")
    return measured
