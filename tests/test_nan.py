"""NaN never passes a comparison: no bound is written so that it does, and nothing that has a bound takes it."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from hardware.calibration.calibration import MeasuredNetworks
from hardware.calibration.fit_quality import FitQuality, check_latencies
from hardware.tables.entry import Entry
from hardware.transfer.additive_fit import AdditiveFit
from hardware.transfer.transfer import DeviceTransfer
from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier
from nas.export.agreement import ExportMismatch, check_agreement
from nas.objectives import FloatArray, NothingFeasible, Objective, compute_violations
from nas.search.comparison import Comparison
from nas.search.front import find_front
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import SEARCHERS, create_searcher
from nas.search.runner.search_plan import SearchPlan, SearchResult
from nas.search.searchers.linas import Linas
from predictors.linear_model import LinearModel
from predictors.posterior import infer_noise_free
from predictors.predictor import Prediction
from predictors.ridge import RidgePredictor
from predictors.warp import Warp
from results.database.frame import keep_within, select_front
from results.evaluation import Evaluation, RunRecord
from results.metric import METRICS
from results.pareto import hypervolume, non_dominated, pareto_ranks
from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace

HOUSE = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "predictors", "hardware", "results", "nas")
ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
WHOLE_CALLS = {"len", "int", "count", "index", "bit_length"}  # whatever they are given, they return integers
CLOCKS = {"monotonic", "perf_counter"}


class Bounds(ast.NodeVisitor):
    """Finds the comparisons that let NaN pass a bound: `if x > most: raise` instead of `if not x <= most: raise`.

    Comparisons of integers are left out, as far as the file itself says that they are integers: by annotations of
    parameters, fields and variables, and by what only integers come from.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[int] = []
        self._whole: list[set[str]] = [set()]
        self._fields: list[set[str]] = [set()]
        for node in tree.body:
            self._note(node)
        self.visit(tree)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._fields.append({one for part in node.body for one in _annotated(part)})
        self.generic_visit(node)
        self._fields.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        self._whole.append({one.arg for one in arguments if _says_int(one.annotation)})
        for part in ast.walk(node):
            self._note(part)
        self.generic_visit(node)
        self._whole.pop()

    def _note(self, node: ast.AST) -> None:
        """Notes which variables a statement says to be integers."""
        self._whole[-1].update(_annotated(node))
        if isinstance(node, ast.Assign) and self._is_whole(node.value):
            self._whole[-1].update(target.id for target in node.targets if isinstance(target, ast.Name))

    def visit_If(self, node: ast.If) -> None:
        if any(isinstance(part, ast.Raise) for part in node.body):
            self.found += [one.lineno for one in self._passing(node.test)]
        self.generic_visit(node)

    def _passing(self, test: ast.expr, negated: bool = False) -> Iterator[ast.Compare]:
        """The comparisons in a guard that are false for NaN, where that lets it pass."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield from self._passing(test.operand, not negated)
            return
        if isinstance(test, ast.Compare):
            sides, orders = [test.left, *test.comparators], any(isinstance(one, ORDERINGS) for one in test.ops)
            if orders and not negated and not all(map(self._is_whole, sides)) and not any(map(_is_clock, sides)):
                yield test
            return
        for part in ast.iter_child_nodes(test):
            if isinstance(part, ast.expr):
                yield from self._passing(part, negated)
            elif isinstance(part, ast.comprehension):
                for condition in part.ifs:
                    yield from self._passing(condition, negated)

    def _is_whole(self, value: ast.expr) -> bool:
        """Whether an expression is an integer, for all that the file says."""
        match value:
            case ast.Constant(value=int()):
                return True
            case ast.UnaryOp(operand=operand):
                return self._is_whole(operand)
            case ast.NamedExpr(value=given):
                return self._is_whole(given)
            case ast.BinOp(left=left, right=right, op=op):
                return not isinstance(op, ast.Div) and self._is_whole(left) and self._is_whole(right)
            case ast.Name(id=name):
                return any(name in known for known in self._whole)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return any(name in known for known in self._fields)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return name in WHOLE_CALLS
        return False


def _annotated(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _says_int(node.annotation):
        yield node.target.id


def _is_clock(value: ast.expr) -> bool:
    """A deadline is a time by the same clock."""
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in CLOCKS


def _says_int(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation) in ("int", "int | None", "ClassVar[int]")


def test_the_pattern_is_found() -> None:
    tree = ast.parse(
        """
MOST = 9
def check(x: float, n: int, xs: list[float]) -> None:
    if x > 1.0: raise ValueError
    if n < 1 or x < 0: raise ValueError
    if any(one <= 0 for one in xs): raise ValueError
    if [one for one in xs if one < 0]: raise ValueError
    if (x > 1.0) != (n > 1): raise ValueError
    if not (x > 1.0 or not x < 2.0): raise ValueError
    if n < 1 or n * len(xs) > MOST or not x <= 1.0 or not all(0 < one < 2 for one in xs): raise ValueError
    half = n // 2
    if half > n - 1: raise ValueError
"""
    )
    assert Bounds(tree).found == [4, 5, 6, 7, 9]


@pytest.mark.parametrize("package", PACKAGES)
def test_bounds_are_written_so_that_nan_fails_them(package: str) -> None:
    """Write `if not x <= most: raise`, or say in an annotation that it is an integer."""
    found = [
        f"{path.relative_to(HOUSE)}:{line}"
        for path in sorted((HOUSE / package).rglob("*.py"))
        for line in Bounds(ast.parse(path.read_text())).found
    ]
    assert found == []


NAN = float("nan")
SPACE = JointSpace(create_space("resnet_digits", 1, 10))
POPULATION = SPACE.sample(np.random.default_rng(0), 12).unique()
FRONTIER = Frontier.from_problem(AllocationProblem((np.ones(2),), (Budget("b", (np.ones(2),), 1.0),)))
COSTS = np.arange(24.0).reshape(12, 2)
LAYERS = np.ones((3, 2))


def put(number: float, array: FloatArray) -> FloatArray:
    """An array with that number at its end."""
    changed = array.copy()
    changed.flat[-1] = number
    return changed


def never(_: Population) -> FloatArray:
    raise AssertionError("nothing is to be evaluated")


MACS = Objective(METRICS["macs"], never)
PROBLEM = SearchProblem(SPACE, (MACS, Objective(METRICS["parameters"], never)))


class Sure(RidgePredictor):
    """A predictor that gives a number, be it NaN, as one of another package may."""

    answer = 0.0

    def _predict(self, features: FloatArray) -> Prediction:
        return Prediction(put(self.answer, np.zeros(len(features))), np.ones(len(features)))


def predict(answer: float) -> object:
    predictor = Sure()
    predictor.fit(COSTS, COSTS[:, 0])
    predictor.answer = answer
    return predictor.predict(COSTS)


def plan(**others: Any) -> SearchPlan:
    return SearchPlan(PROBLEM, Linas(), RunRecord("run", {}, 0), 9, **others)


def agree(found: float, computed: float) -> None:
    """The agreement of a network that computes 1 and `computed` with a session that finds 1 and `found`."""
    session: Any = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="x", shape=["batch", 1])],
        get_outputs=lambda: [SimpleNamespace(name="y")],
        run=lambda *_: [np.array([[1.0, found]], dtype=np.float32)],
    )
    network = nn.Linear(1, 2, bias=False)
    network.weight.data = torch.tensor([[1.0], [computed]])
    check_agreement(network, session, torch.ones(1, 1))


TAKERS: dict[str, Callable[[float], object]] = {
    "the limit of an objective": lambda x: replace(MACS, limit=x),
    "the known values of a search": lambda x: plan(known=SearchResult(POPULATION, put(x, COSTS))),
    "the gain at which a search stops": lambda x: plan(stop_gain=x),
    "the failures that a search bears": lambda x: plan(most_failures=x),
    "costs of a front": lambda x: non_dominated(put(x, COSTS)),
    "costs that are ranked": lambda x: pareto_ranks(put(x, COSTS)),
    "costs of a hypervolume": lambda x: hypervolume(put(x, COSTS), [30.0, 30.0]),
    "the reference of a hypervolume": lambda x: hypervolume(COSTS, [30.0, x]),
    "the reference of a comparison": lambda x: Comparison(PROBLEM, (1.0, x), (5,)),
    "the values of an evaluation": lambda x: Evaluation(POPULATION[0], {"macs": x}, "measured", "run", 0, 0),
    "the fidelity of an evaluation": lambda x: Evaluation(POPULATION[0], {"macs": 1.0}, "measured", "run", 0, 0, -1, x),
    "the limit of a query": lambda x: keep_within(pd.DataFrame({"macs": [1.0]}), {"macs": x}),
    "targets of a predictor": lambda x: RidgePredictor().fit(COSTS, put(x, COSTS[:, 0])),
    "features of a predictor": lambda x: RidgePredictor().fit(put(x, COSTS), COSTS[:, 0]),
    "predictions": predict,
    "penalties": lambda x: RidgePredictor((1.0, x)),
    "targets that are warped": lambda x: Warp.fit(put(x, COSTS[:, 0])),
    "targets of a posterior": lambda x: infer_noise_free(COSTS, put(x, COSTS[:, 0]), np.ones_like),
    "the noise of a posterior": lambda x: infer_noise_free(COSTS, COSTS[:, 0], lambda some: put(x, np.ones_like(some))),
    "the noise of a linear model": lambda x: LinearModel.prior(np.zeros(2), np.ones(2), x),
    "deviations of a linear model": lambda x: LinearModel.prior(np.zeros(2), put(x, np.ones(2)), 1.0),
    "the cost of an entry": lambda x: Entry({"latency_ms": x}),
    "the factor of an entry": lambda x: Entry({"latency_ms": 1.0}, factor=x),
    "the spread of an entry": lambda x: Entry({"latency_ms": 1.0}, spread=x),
    "latencies": lambda x: check_latencies(put(x, np.ones(3))),
    "the quality of a fit": lambda x: FitQuality(1.0, 1.0, x, 9).require("the fit"),
    "predictions that are compared": lambda x: FitQuality.compare(put(x, np.ones(3)), np.ones(3)),
    "latencies of a calibration": lambda x: MeasuredNetworks(LAYERS, np.zeros(2, np.int32), [], put(x, np.ones(3))),
    "layers of a calibration": lambda x: MeasuredNetworks(put(x, LAYERS), np.zeros(2, np.int32), [], np.ones(3)),
    "the spread of a calibration": lambda x: MeasuredNetworks(LAYERS, np.zeros(2, np.int32), [], np.ones(3), x),
    "latencies of a transfer": lambda x: DeviceTransfer(put(x, np.ones((12, 2))), COSTS),
    "features of a transfer": lambda x: DeviceTransfer(np.ones((12, 2)), put(x, COSTS)),
    "latencies of a fit": lambda x: AdditiveFit.fit(POPULATION, put(x, np.ones(12))),
    "an output of an export": lambda x: agree(x, 2.0),
    "an output of a network": lambda x: agree(2.0, x),
    "damage of an allocation": lambda x: AllocationProblem((put(x, np.ones(2)),)),
    "a budget of an allocation": lambda x: AllocationProblem((np.ones(2),), (Budget("b", (np.ones(2),), x),)),
    "a budget that is read off a frontier": lambda x: FRONTIER.read_off(np.array([x])),
    "a positive sum": lambda x: AdditiveCost([Term((0,), np.full(4, x))], positive=True)(POPULATION.genes),
}


# What is taken instead of NaN, if it is not 1.
TAKEN = {
    "the reference of a hypervolume": 30.0,
    "an output of an export": 2.0,
    "an output of a network": 2.0,
}


@pytest.mark.parametrize("what", list(TAKERS))
def test_nan_is_refused_where_a_number_is_taken(what: str) -> None:
    TAKERS[what](TAKEN.get(what, 1.0))
    with pytest.raises(ValueError, match=r".") as caught:
        TAKERS[what](NAN)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("output", [NAN, math.inf, 1.0])
def test_with_outputs_that_say_nothing_no_export_agrees(output: float) -> None:
    with pytest.raises(ExportMismatch, match="to be compared"):
        agree(output, output)


@pytest.mark.parametrize(("costs", "reference"), [([[-math.inf]], [3.0]), ([[1.0]], [math.inf])])
def test_a_hypervolume_has_a_bound(costs: list[list[float]], reference: list[float]) -> None:
    with pytest.raises(ValueError, match=r"infinite|finite"):
        hypervolume(costs, reference)


@pytest.mark.parametrize("name", [name for name in SEARCHERS if SEARCHERS[name]().damage_metric is None])
@pytest.mark.parametrize("column", [0, 2])
def test_a_searcher_is_told_no_nan(name: str, column: int) -> None:
    """Neither as a cost nor as a violation: who compares with nothing is never beaten."""
    leaves = tuple(Subspace.whole(SPACE).restrict(0, [value]) for value in range(2)) if name == "few_shot" else ()
    objectives = PROBLEM.objectives[: SEARCHERS[name].most_objectives]
    made = create_searcher(name, SearchProblem(SPACE, objectives, leaves), 0)
    table = np.concatenate([COSTS, np.zeros((12, 1))], axis=1)
    table[3, column] = NAN
    with pytest.raises(ValueError, match="finite costs and violations of 0 or more"):
        made.tell(POPULATION, table[:, : len(objectives)], table[:, 2])


def test_a_candidate_without_a_number_keeps_no_limit_and_is_on_no_front() -> None:
    values = np.array([[NAN, 5.0], [2.0, NAN], [3.0, 3.0]])
    assert compute_violations(PROBLEM.objectives, values).tolist() == [math.inf, math.inf, 0.0]
    _, rows = find_front(POPULATION.take(slice(0, 3)), PROBLEM.objectives, values)
    assert rows.tolist() == [2]
    assert Comparison(PROBLEM, (9.0, 9.0), (5,)).measure_volume(values) == 36.0
    frame = pd.DataFrame(values, columns=["macs", "parameters"])
    assert select_front(frame, [METRICS["macs"], METRICS["parameters"]])["macs"].tolist() == [3.0]
    assert keep_within(frame, {"macs": 2.5})["macs"].tolist() == [2.0]
    with pytest.raises(NothingFeasible):
        find_front(POPULATION.take(slice(0, 2)), PROBLEM.objectives, values[:2])
