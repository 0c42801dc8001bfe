"""Comparisons on a table of networks, whose columns are looked up instead of measured."""

from __future__ import annotations

from pathlib import Path

from nas.jobs.files.comparison_file import TableComparisonFile
from nas.jobs.files.network_table import read_networks
from nas.objectives import FloatArray, Objective
from nas.search.comparison import Comparison
from nas.search.protocol.problem import SearchProblem
from results.metric import METRICS, Metric
from search_spaces.families.tabular import TabularSpace
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population


def compare_on_table(file: TableComparisonFile, path: Path) -> Comparison:
    """The comparison on a table.

    Args:
        file: The file of the comparison, which names the columns.
        path: The table, a CSV file.

    Raises:
        ValueError: If the table lacks a column or a network of the space, or has one twice; if a cell does not hold
            what it must; if no network keeps the limits, or none is better than the reference.
        OSError: If it cannot be read.
    """
    table = read_networks(path, list(file.objectives), file.genes)
    metrics = {name: _metric(name, better == "maximize") for name, better in file.objectives.items()}
    for name, metric in metrics.items():
        least, most = metric.bounds
        if not table[name].between(least, most).all():
            row = int(table[name].between(least, most).argmin())
            raise ValueError(
                f"{path}, row {row + 1}, column {name}: must be from {least:g} to {most:g} {metric.unit}, "
                f"got {table[name].iloc[row]:g}"
            )
    networks = TabularSpace(file.name, table, file.genes, file.cell.cell() if file.cell else None)

    def objective(name: str) -> Objective:
        def values(population: Population) -> FloatArray:
            return networks.column(population, name)

        return Objective(metrics[name], values, file.limits.get(name))

    objectives = tuple(objective(name) for name in file.objectives)
    reference = tuple(file.reference[name] for name in file.objectives)
    found = Comparison(SearchProblem(JointSpace(networks), objectives), reference, tuple(file.budgets))
    found.check_reference(table[list(file.objectives)].to_numpy(dtype=float))
    return found


def _metric(name: str, maximize: bool) -> Metric:
    """The metric of a column: the registered one of that name, or a new one."""
    metric = METRICS[name] if name in METRICS else Metric(name, "", maximize)
    if metric.maximize != maximize:
        better = "more" if metric.maximize else "less"
        raise ValueError(f"of {name}, {better} is better everywhere in this program; rename the column")
    return metric
