"""A joint table of operators and bits: cells of NAS-Bench-201 whose convolutions have 2, 4 or 8 bits.

In: the reference data. Out: the space, and the accuracy, latency and energy of all its networks.

- The accuracy is a SURROGATE's, not a measurement: boosting of the absolute error, fitted to 13,309 networks of 6,053
  cells that were trained for 50 epochs on CIFAR-10 with the same bits in every cell (`mp_nasbench201`), and cut to
  10..100 %. Of what was tried it ranks held-out networks best, with a Spearman of 0.92; random forests and extremely
  randomised trees have 0.91, boosting of the squared error 0.90, our Gaussian processes on 2,000 networks 0.88.
- At 8 bits, latency and energy are measured (`hw_nas_bench_360`: Raspberry Pi 5, ONNX Runtime, CIFAR-100). The source
  has one measurement for all cells that compute the same function, dead convolutions in it or not. A cell counts as
  the fastest one with the same live operators: who deploys it removes what carries nothing. No cell is folded to a
  constant in these columns; those that cut every path are kept, with an accuracy of chance.
- Bits are PRICED BY A RULE, an assumption: a convolution of b bits takes b / 8 of its share of the latency and of the
  energy, and all else stays. So do kernels that look products up in tables by groups of weight bits (Wei et al., T-MAC,
  EuroSys 2025). The shares are those of a linear model: a constant, and so much for each live operator
  (on average 6 % off for the latency, 7 % for the energy).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from nas.objectives import FloatArray, Objective
from results.metric import METRICS
from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.choices import Choice
from search_spaces.families.cell import Cell
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.search_space import BoolArray, Genes, SearchSpace

OPERATORS = ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
WEIGHTLESS, BITS, EDGES = 3, (2, 4, 8), range(6)  # the first three operators have no weights
CELL = Cell(((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)), "none")
STATES = [(operator, 0) for operator in range(WEIGHTLESS)] + [(o, b) for o in (3, 4) for b in BITS]  # of an edge
MEASURED = {"latency_ms": "latency_ms_pi5_onnx_cifar100", "energy_mj": "energy_mj_pi5_onnx_cifar100"}
_CHUNK = 1 << 16

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Networks:
    """Numbers of the operators on the edges, shape (n, 6), and their bits, shape (n, stages, 6), 0 without weights."""

    operators: IntArray
    bits: IntArray

    def __len__(self) -> int:
        return len(self.operators)

    def take(self, rows: IntArray | slice) -> Networks:
        return Networks(self.operators[rows], self.bits[rows])

    def live(self) -> BoolArray:
        """Which edges lie on a path that is not cut, shape (n, 6)."""
        found = np.zeros(self.operators.shape, dtype=bool)
        for path in CELL.paths:
            found[:, path] |= self._whole(path)[:, None]
        return found

    def one_hot(self, live_only: bool = True) -> FloatArray:
        """Codes of operators and bits, shape (n, 30 + 18 * stages), all zeros for the bits of what has no weights."""
        shown = self.live() if live_only else np.ones(self.operators.shape, dtype=bool)
        operators = np.where(shown, self.operators, 0)[..., None] == np.arange(len(OPERATORS))
        bits = np.where(shown[:, None], self.bits, 0)[..., None] == np.array(BITS)
        return np.concatenate([operators.reshape(len(self), -1), bits.reshape(len(self), -1)], axis=1).astype(float)

    def wiring(self) -> FloatArray:
        """What the paths are made of, and the fewest bits on each, with their sum and maximum over the paths.

        The bits are logarithms, 0.25 for 2 bits and 1 for a path without a convolution; 0 where the path is cut.
        """
        fewest = []
        for path in CELL.paths:
            bits = np.where(self.bits == 0, 16, self.bits)[:, :, path].min(axis=2)
            fewest.append(self._whole(path)[:, None] * np.log2(bits) / 4)
        stacked = np.stack(fewest, axis=1)
        along = [stacked.reshape(len(self), -1), stacked.sum(axis=1), stacked.max(axis=1)]
        return np.concatenate(
            [CELL.features(self.operators.astype(np.int16), [OPERATORS] * len(EDGES)), *along], axis=1
        )

    def features(self) -> FloatArray:
        """What predictors of accuracy are fitted to."""
        return np.concatenate([self.one_hot(), self.wiring()], axis=1)

    def _whole(self, path: Sequence[int]) -> BoolArray:
        return (self.operators[:, path] != 0).all(axis=1)


def trained(data: Path, epochs: int) -> tuple[Networks, FloatArray]:
    """The published networks of 50 or 150 epochs, and their accuracies in percent."""
    table = pd.read_csv(data / "mp_nasbench201" / f"epochs{epochs}.csv", dtype={"bits": str})
    operators = table[[f"op{edge}" for edge in EDGES]].map(OPERATORS.index).to_numpy()
    digits = np.array([list(row) for row in table["bits"]], dtype=np.int64).reshape(len(table), -1, len(EDGES))
    return Networks(operators, digits[:, ::5]), table["accuracy"].to_numpy()  # five cells of a stage have the same bits


def boosted(networks: Networks, accuracies: FloatArray) -> HistGradientBoostingRegressor:
    """The surrogate of the accuracy."""
    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        learning_rate=0.05,
        max_iter=400,
        max_leaf_nodes=63,
        max_features=0.3,
        early_stopping=False,  # it would hold labels back and stop too early
        random_state=0,
    )
    return model.fit(networks.features(), accuracies)


def priced(data: Path, column: str, networks: Networks) -> FloatArray:
    """Latency or energy of networks with the same bits in every cell, shape (n,)."""
    published = pd.read_csv(data / "nasbench201" / "accuracy.csv")[["index", "arch"]]
    measured = published.merge(pd.read_parquet(data / "hw_nas_bench_360" / "pi5.parquet"), on="index", validate="1:1")
    names = [re.findall(r"([a-z_0-9]+)~\d", cell) for cell in measured["arch"]]
    operators = np.array([[OPERATORS.index(name) for name in cell] for cell in names])
    cells = _live_operators(Networks(operators, np.zeros((len(operators), 1, len(EDGES)), dtype=np.int64)))
    fastest = np.full((len(OPERATORS),) * len(EDGES), np.inf)
    np.minimum.at(fastest, tuple(cells.T), measured[column].to_numpy())
    known = np.argwhere(np.isfinite(fastest))
    slopes = np.linalg.lstsq(_counts(known), fastest[tuple(known.T)])[0]
    live = _live_operators(networks)
    bits = networks.bits[:, 0]
    own = slopes - slopes[0]  # what an operator adds to the constant part
    saved = (own[live] * np.where(live >= WEIGHTLESS, 1 - bits / max(BITS), 0.0)).sum(axis=1)
    return fastest[tuple(live.T)] * (1 - saved / (_counts(live) @ slopes))


def _live_operators(networks: Networks) -> IntArray:
    return np.where(networks.live(), networks.operators, 0)


def _counts(cells: IntArray) -> FloatArray:
    """How often each operator stands in a cell, shape (n, 5), 6 in all: `none` bears a sixth of the constant part."""
    return (cells[:, :, None] == np.arange(len(OPERATORS))).sum(axis=1).astype(float)


class CellsWithBits(SearchSpace):
    """An operator for each of six edges, and bits for those that have weights, the same in all cells of a network.

    Args:
        bits: What the bits are chosen from.
        cells: Operators of the cells that remain, shape (k, 6); None are all, and each edge has a gene of its own.
    """

    def __init__(self, bits: Sequence[int] = BITS, cells: IntArray | None = None) -> None:
        self._bits, self._cells = np.array(bits), cells
        weighted = OPERATORS[WEIGHTLESS:]
        if cells is None:
            first = [Choice(f"edge{edge}.operator", OPERATORS) for edge in EDGES]
            when = [(choice.name, weighted) for choice in first]
        else:
            first = [Choice("cell", tuple(f"cell{number}" for number in range(len(cells))))]
            when = [("cell", tuple(f"cell{row}" for row in np.flatnonzero(column >= WEIGHTLESS))) for column in cells.T]
        second = [Choice(f"edge{edge}.bits", tuple(bits), when[edge]) for edge in EDGES]
        super().__init__("cells_with_bits", [*first, *second], [])

    def networks(self, genes: Genes) -> Networks:
        """What genes of shape (n, d) stand for."""
        operators = genes[:, : len(EDGES)].astype(np.int64) if self._cells is None else self._cells[genes[:, 0]]
        bits = np.where(operators >= WEIGHTLESS, self._bits[genes[:, -len(EDGES) :]], 0)
        return Networks(operators, bits[:, None])

    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,): operators, then the bits of those that have weights."""
        network = self.networks(genes[None])
        operators = tuple(OperatorBlock(OPERATORS[number]) for number in network.operators[0])
        bits = tuple(OperatorBlock(int(number)) for number in network.bits[0, 0] if number)
        return Architecture(self.name, 0, (operators, bits))

    def encode(self, architecture: Architecture) -> Genes:
        """The canonical gene vector, shape (d,), of an architecture of this space."""
        self.check(architecture)
        names, bits = (
            [block.operator for block in stage if isinstance(block, OperatorBlock)] for stage in architecture.stages
        )
        operators = [OPERATORS.index(name) for name in names]
        if self._cells is None:
            values = {f"edge{edge}.operator": name for edge, name in zip(EDGES, names, strict=True)}
        else:
            values = {"cell": f"cell{(self._cells == operators).all(axis=1).argmax()}"}
        with_weights = [edge for edge in EDGES if operators[edge] >= WEIGHTLESS]
        values |= {f"edge{edge}.bits": number for edge, number in zip(with_weights, bits, strict=True)}
        return self.encode_values(values, architecture)

    def features(self, genes: Genes) -> FloatArray:
        """What the paths tell of the networks."""
        return self.networks(genes).wiring()


@lru_cache(maxsize=1)
def table(data: Path) -> FloatArray:
    """Accuracy, latency and energy of all networks, shape (9 ** 6, 3): an edge has one of nine `STATES`."""
    states = np.array(STATES)[np.indices((len(STATES),) * len(EDGES)).reshape(len(EDGES), -1).T]
    everything = Networks(states[:, :, 0], states[:, None, :, 1])
    model = boosted(*trained(data, 50))
    parts = [everything.take(slice(start, start + _CHUNK)) for start in range(0, len(everything), _CHUNK)]
    accuracies = np.concatenate([model.predict(part.features()) for part in parts]).clip(10.0, 100.0)
    return np.column_stack([accuracies, *(priced(data, column, everything) for column in MEASURED.values())])


def objectives(data: Path, space: JointSpace) -> tuple[Objective, ...]:
    """Accuracy, which searchers must learn, and exact latency and energy, of a joint space of `CellsWithBits`."""
    cells = space.architectures
    assert isinstance(cells, CellsWithBits)

    def looked_up(population: Population, column: int) -> FloatArray:
        network = cells.networks(population.genes)
        weighted = WEIGHTLESS + 3 * (network.operators - WEIGHTLESS) + np.searchsorted(BITS, network.bits[:, 0])
        states = np.where(network.operators < WEIGHTLESS, network.operators, weighted)
        return table(data)[np.ravel_multi_index(tuple(states.T), (len(STATES),) * len(EDGES)), column]

    return tuple(
        Objective(METRICS[name], partial(looked_up, column=column), exact=column > 0)
        for column, name in enumerate(("accuracy", *MEASURED))
    )
