"""The summary of a job: a table of the exported networks on the console, and the Pareto page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nas.files import atomic_write
from nas.jobs.console.networks_table import describe_values, networks_table
from nas.jobs.console.reporter import Reporter
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.export import Export
from nas.jobs.stages.search_outcome import SearchOutcome
from results.description import describe
from results.metric import METRICS, Metric, extend_metrics
from results.pages.pareto_page import write_pareto_page
from search_spaces.candidate import Candidate

PAGE = "pareto.html"
_MOST_NAMES = 50  # outputs that the page names


def summarize(outcome: SearchOutcome, exported: Export, images: int, reporter: Reporter) -> None:
    """Prints the table of exported networks, and writes the Pareto page beside them.

    A page needs two objectives or more; for a job with one, there is only the table.

    Args:
        outcome: The outcome of the search.
        exported: The exported networks.
        images: Number of validation images.
        reporter: Prints the table.
    """
    latencies = _describe_latencies(outcome)
    known = extend_metrics(one.metric for one in outcome.front.objectives)
    caption = describe_values(exported.networks, images, latencies)
    reporter.console.print(networks_table(exported.networks, caption, known))
    if outcome.failures:
        reporter.say(f"failed   {len(outcome.failures)} candidates could not be evaluated, and took no part")
    reporter.say(f"files    {exported.folder}")
    traded = [one.metric for one in outcome.front.objectives]
    metrics = [one.expected if one.name in outcome.measured_names else one for one in traded]
    if len(metrics) < 2:
        return
    page, stage = exported.folder / PAGE, StageFolder(exported.folder)
    if PAGE not in stage.list_files():  # the export, whose page it is, has compared it with the manifest
        with atomic_write(page) as draft:
            _write_page(draft, metrics, outcome, exported, images)
        stage.record(PAGE)
    reporter.say(f"page     {page}")


def summarize_finetuned(
    candidate: Candidate, exported: Export, reporter: Reporter, metrics: Mapping[str, Metric] = METRICS
) -> None:
    """Prints the table of a fine-tuned network.

    Args:
        candidate: The network.
        exported: Its file.
        reporter: Where it is shown.
        metrics: The metrics that are known, by name.
    """
    caption = "before and measured are on validation images; test and latency are of the ONNX file"
    reporter.say(f"finetune {candidate.key}: {describe(candidate)}")
    reporter.console.print(networks_table(exported.networks, caption, metrics))
    reporter.say(f"files    {exported.folder}")


def _write_page(file: Path, metrics: Sequence[Metric], outcome: SearchOutcome, exported: Export, images: int) -> None:
    points, chosen = outcome.points, set(exported.networks["key"])
    trusted = points["group"] != "searched"  # the same network may be there as it was predicted, too
    points = points.assign(
        group=points["group"].mask(points["key"].isin(chosen) & trusted, "exported"),
        front=points["key"].isin(outcome.table["key"]) & trusted,  # within the limits, of which a page knows nothing
    )
    latencies = _describe_latencies(outcome)
    title = f"{outcome.record.job}: {latencies}" if latencies else outcome.record.job
    failed = [(one.key, one.reason) for one in outcome.failures]
    write_pareto_page(points, metrics, file, title, _note(images) + _name_outputs(outcome), failed)


def _name_outputs(outcome: SearchOutcome) -> str:
    """A sentence with the names of the classes or other outputs; empty where they are only numbers."""
    stated = outcome.record.inputs.get("outputs")
    names = [str(name) for name in stated] if isinstance(stated, list) else []
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f" Outputs: {', '.join(names[:_MOST_NAMES])}{more}." if names else ""


def _describe_latencies(outcome: SearchOutcome) -> str:
    """The mean error of predicted latencies, as text; empty if latency is no metric of the search."""
    if "latency_ms" not in outcome.table:
        return ""
    error = outcome.latency_error_percent
    return f"predicted latencies are {'of unknown error' if error is None else f'within {error:.1f} % on average'}"


def _note(images: int) -> str:
    return (
        "Expected values are those on new images: the posterior mean, given all measurements. Measured values are on "
        f"the same {images:,} validation images for all, and a search finds those that are lucky there. Bars and ± "
        "show 90 % intervals: so probable is it that the value on new images lies within."
    )
