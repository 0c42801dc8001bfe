"""Comparisons on a table of networks, whose columns are looked up instead of measured."""

from __future__ import annotations

from pathlib import Path

from nas.jobs.files.comparison_file import TableComparisonFile
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
        ValueError: If the table lacks a column or a network of the space, or has one twice.
        OSError: If it cannot be read.
    """
    import pandas as pd

    table = pd.read_csv(path)
    lacking = [name for name in file.objectives if name not in table.columns]
    if lacking:
        raise ValueError(f"{file.table} lacks the columns {lacking}; it has {list(table.columns)}")
    networks = TabularSpace(file.name, table, file.genes, file.cell.cell() if file.cell else None)

    def objective(name: str) -> Objective:
        def values(population: Population) -> FloatArray:
            return networks.column(population, name)

        return Objective(_metric(name, file.objectives[name] == "maximize"), values, file.limits.get(name))

    objectives = tuple(objective(name) for name in file.objectives)
    reference = tuple(file.reference[name] for name in file.objectives)
    return Comparison(SearchProblem(JointSpace(networks), objectives), reference, tuple(file.budgets))


def _metric(name: str, maximize: bool) -> Metric:
    """The metric of a column: the registered one of that name, or a new one."""
    metric = METRICS[name] if name in METRICS else Metric(name, "", maximize)
    if metric.maximize != maximize:
        better = "more" if metric.maximize else "less"
        raise ValueError(f"of {name}, {better} is better everywhere in this program; rename the column")
    return metric
