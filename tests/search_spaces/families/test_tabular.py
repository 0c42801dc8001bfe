"""A complete table of networks is a space; anything less is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search_spaces.families.cell import Cell
from search_spaces.families.tabular import TabularSpace
from search_spaces.joint_space import JointSpace

TABLE = pd.DataFrame(
    [(op, width, 10.0 * width + index) for index, op in enumerate(("skip", "conv")) for width in (8, 32, 16)],
    columns=["op", "width", "accuracy"],
)
GENES = ["op", "width"]


def test_every_row_is_found_by_its_genes() -> None:
    shuffled = TABLE.sample(frac=1, random_state=3)
    space = TabularSpace("table", shuffled, GENES)
    joint = JointSpace(space)
    everything = joint.population([(op, width) for op in range(2) for width in range(3)])
    assert space.count() == 6
    found = {
        tuple(block.operator for block in everything[row].architecture.stages[0]): value
        for row, value in enumerate(space.column(everything, "accuracy"))
    }
    assert found == {(row.op, row.width): row.accuracy for row in TABLE.itertuples()}


def test_candidates_round_trip_and_carry_no_policy() -> None:
    joint = JointSpace(TabularSpace("table", TABLE, GENES))
    population = joint.sample(np.random.default_rng(0), 20)
    candidates = [population[row] for row in range(20)]
    assert np.array_equal(joint.encode(candidates).genes, population.genes)
    assert all(candidate.policy.layers == () for candidate in candidates)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.iloc[1:], "each of 6 combinations once, got 5 rows"),
        (TABLE.iloc[[0, 0, 1, 2, 3, 4]], "each of 6 combinations once, got 6 rows with 5 distinct"),
        (pd.concat([TABLE, TABLE.iloc[:1]]), "each of 6 combinations once, got 7 rows"),
        (TABLE.replace({"op": {"skip": None}}), "gene 'op' must be numbers or text, got None in row 0"),
        (TABLE.replace({"width": {32: np.nan}}), "gene 'width' must be numbers or text, got nan in row 1"),
        (TABLE.replace({"width": {16: np.inf}}), "gene 'width' must be numbers or text, got inf in row 2"),
        (TABLE.replace({"op": {"skip": 3}}), "gene 'op' must be numbers or text, got both"),
        (TABLE.assign(op=pd.to_datetime(TABLE["width"])), "gene 'op' must be numbers or text, got Timestamp"),
        (pd.DataFrame({"op": range(40_000), "width": 1}), "gene 'op' may have 32,767 values, got 40,000"),
        (TABLE.drop(columns="op"), r"lacks the columns \['op'\]; it has \['width', 'accuracy'\]"),
    ],
)
def test_incomplete_tables_are_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularSpace("table", table, GENES)


def test_genes_are_named_once() -> None:
    for genes in ([], ["op", "op"]):
        with pytest.raises(ValueError, match="needs one or more genes, each once"):
            TabularSpace("table", TABLE, genes)
    many = pd.DataFrame(np.zeros((2, 70)), columns=[f"g{i}" for i in range(70)])
    many.iloc[1] = 1.0
    with pytest.raises(ValueError, match=f"must list each of {2**70} combinations once, got 2 rows"):
        TabularSpace("many", many, many.columns)


@pytest.mark.parametrize("cell", [np.nan, np.inf, None, "oom", pd.NA])
def test_a_cell_that_is_no_number_is_named_whoever_is_asked_for(cell: object) -> None:
    damaged = TABLE.astype({"accuracy": object})
    damaged.iloc[4, 2] = cell
    space = TabularSpace("table", damaged, GENES)
    first = JointSpace(space).population([(0, 0)])
    with pytest.raises(ValueError, match=r"column 'accuracy' .* must hold finite numbers, got .* in row 4"):
        space.column(first, "accuracy")
    with pytest.raises(ValueError, match=r"has no column 'loss'; it has \['op', 'width', 'accuracy'\]"):
        space.column(first, "loss")


def test_wired_genes_add_features_of_paths() -> None:
    plain, wired = (TabularSpace("table", TABLE, GENES, cell) for cell in (None, Cell(((0, 1), (1, 2)), "skip")))
    genes = JointSpace(plain).sample(np.random.default_rng(0), 20).genes
    code = JointSpace(plain).population(genes).features()
    assert code.shape == (20, 2 + 3)
    more = JointSpace(wired).population(genes).features()
    assert np.array_equal(more[:, :5], code)
    assert np.array_equal(more[:, 5], code[:, 0])  # whether the one path is whole: the first operator is "conv"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Cell(((0, 1),)), "the cell of space 'table' has 1 edges, but 2 genes"),
        (Cell(((0, 1), (1, 2)), "cut"), "no edge of space 'table' can have the operator 'cut'; known:"),
    ],
)
def test_cells_that_do_not_fit_are_refused(cell: Cell, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularSpace("table", TABLE, GENES, cell)


def test_nasbench201_is_a_space_of_six_genes(reference_data: Path) -> None:
    cells = pd.read_csv(reference_data / "nasbench201" / "accuracy.csv")
    edges = [f"edge{number}" for number in range(6)]
    operations = pd.DataFrame([re.findall(r"([a-z_0-9]+)~\d", cell) for cell in cells["arch"]], columns=edges)
    space = TabularSpace("nasbench201", pd.concat([cells, operations], axis=1), edges)
    joint = JointSpace(space)
    assert space.count() == 15_625
    population = joint.sample(np.random.default_rng(0), 200)
    rows = cells.iloc[space.column(population, "index").astype(int)]
    written = [re.findall(r"([a-z_0-9]+)~\d", cell) for cell in rows["arch"]]
    assert written == [[b.operator for b in population[row].architecture.stages[0]] for row in range(200)]
    assert np.array_equal(space.column(population, "cifar10_test_200e"), rows["cifar10_test_200e"])
