"""Search a table of networks: a CSV with a column per gene, and columns for accuracy and cost.

    python examples/1_search_a_table.py [TABLE] [SEARCHER]

The table that comes with it holds 90 perceptrons trained on scikit-learn's digits.
"""

import sys
from pathlib import Path

import nas

path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("networks.csv")
name = sys.argv[2] if len(sys.argv) > 2 else "linas"
table = nas.read_networks(path, ["accuracy", "parameters"])  # a cell that is not right is named by row and column
genes = [column for column in table.columns if column not in ("accuracy", "parameters")]

networks = nas.TabularSpace("perceptrons", table, genes)
space = nas.JointSpace(networks)
objectives = (
    nas.Objective(nas.get_metric("accuracy"), lambda population: networks.column(population, "accuracy"), limit=80.0),
    nas.Objective(nas.get_metric("parameters"), lambda population: networks.column(population, "parameters")),
)
problem = nas.SearchProblem(space, objectives)
record = nas.RunRecord(f"table/{name}", inputs={}, seed=0)
plan = nas.SearchPlan(problem, nas.SEARCHERS[name](), record, budget=len(table) // 2)
with nas.ResultsDatabase("sqlite://") as database:
    found = nas.run_search(plan, database)
front, _ = nas.find_front(found.population, objectives, found.values)
for network, (accuracy, parameters) in zip(front.population.candidates, front.values, strict=True):
    blocks = zip(genes, network.architecture.stages[0], strict=True)
    described = ", ".join(f"{gene} {block.operator}" for gene, block in blocks)
    print(f"{accuracy:6.2f} %  {parameters:6.0f} parameters  {described}")
print(f"{len(found)} of {len(table)} networks were looked up")
