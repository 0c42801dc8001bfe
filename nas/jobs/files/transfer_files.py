"""A new device from a few measurements, by files: what to measure next, and what that tells of all other networks.

Every file has one row per network and its name in a column `network`. The known latencies have a column per device, in
milliseconds; the features a column per choice, such as the operator of a layer or a width, of whatever values; the
measurements a column `latency_ms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hardware.input_table import InputTable
from hardware.transfer.transfer import DeviceTransfer
from nas.files import atomic_write
from search_spaces.additive_cost import FloatArray
from search_spaces.quoting import list_names, quote

NETWORK, LATENCY = "network", "latency_ms"
# The model takes the square of the first in memory and several times the second; the third it takes cubed in time.
_MOST_VALUES, _MOST_CELLS, _MOST_MEASURED = 1024, 1 << 23, 2000


class TransferFiles:
    """Networks with their latencies on known devices.

    Args:
        known: Latencies in milliseconds, by device.
        features: What tells the networks apart.

    Raises:
        FileNotFoundError: If one is missing.
        ValueError: If a file is not of its form, or the two are not of the same networks.
    """

    def __init__(self, known: Path, features: Path) -> None:
        names, latencies = _read_latencies(known)
        described, coded = _read_features(features)
        if set(names) != set(described):
            only = sorted({*names} ^ {*described})[0]
            raise ValueError(f"{known} and {features} must hold the same networks; only one of them has {only!r}")
        self.networks, self._rows = names, {name: row for row, name in enumerate(names)}
        order = {name: row for row, name in enumerate(described)}
        self._transfer = DeviceTransfer(latencies, coded[[order[name] for name in names]])

    def choose_probes(self, count: int, measured: Path | None) -> list[str]:
        """The networks to measure next, the most telling ones first.

        Args:
            count: How many.
            measured: What was measured so far; None if nothing.

        Raises:
            ValueError: As `predict` does.
        """
        rows = self._measured(measured)[0] if measured else []
        return [self.networks[row] for row in self._transfer.choose_probes(count, rows)]

    def predict(self, measured: Path, output: Path) -> None:
        """Writes the latency of every network on the new device.

        Args:
            measured: Latencies in milliseconds of 3 or more networks on it.
            output: Columns network, latency_ms and factor: two thirds of the latencies are expected between
                latency_ms / factor and latency_ms * factor.

        Raises:
            FileNotFoundError: If the measurements are missing.
            ValueError: If they are not of their form, too few, or of unknown networks.
        """
        import pandas as pd

        rows, latencies = self._measured(measured)
        try:
            found = self._transfer.predict(rows, latencies)
        except ValueError as error:
            raise ValueError(f"{measured}: {error}") from error
        if not np.isfinite([found.latency_ms, found.factor]).all():
            raise ValueError(f"{measured}: tells nothing of other networks that a number can hold; measure again")
        columns = {NETWORK: self.networks, LATENCY: found.latency_ms, "factor": found.factor}
        with atomic_write(output) as draft:
            pd.DataFrame(columns).to_csv(draft, index=False)

    def _measured(self, path: Path) -> tuple[Sequence[int], FloatArray]:
        table = InputTable.read(path, NETWORK, LATENCY)
        if len(named := [name for name in table.columns if name]) != 2:
            raise ValueError(f"{path} must have the columns {NETWORK} and {LATENCY}, got {list_names(named)}")
        if not len(table.rows) <= _MOST_MEASURED:
            raise ValueError(f"{path} must have {_MOST_MEASURED:,} measurements at most, got {len(table.rows):,}")
        rows = []
        for name, row in zip(_names(table), table.rows, strict=True):
            with row.telling(NETWORK):
                if name not in self._rows:
                    raise ValueError(f"must be a known network, got {quote(name)}")
            rows.append(self._rows[name])
        return rows, np.array([row.cost(LATENCY) for row in table.rows])


def _names(table: InputTable) -> list[str]:
    """The networks of a file, each of which stands there once."""
    found: dict[str, None] = {}
    for row in table.rows:
        name = row.line(NETWORK)
        with row.telling(NETWORK):
            if name in found:
                raise ValueError(f"must name every network once, got {quote(name)} twice")
        found[name] = None
    return list(found)


def _read_latencies(path: Path) -> tuple[list[str], FloatArray]:
    """The networks of a file, and their latencies by device, shape (n, devices)."""
    table = InputTable.read(path, NETWORK)
    devices = _others(table)
    return _names(table), np.array([[row.cost(device) for device in devices] for row in table.rows])


def _read_features(path: Path) -> tuple[list[str], FloatArray]:
    """The networks of a file, and a column of 0 and 1 for every value of every choice, shape (n, values)."""
    table = InputTable.read(path, NETWORK)
    choices = {name: [row.line(name) for row in table.rows] for name in _others(table)}
    values = {name: sorted({*column}) for name, column in choices.items()}
    columns = sum(map(len, values.values()))
    if not (columns <= _MOST_VALUES and columns * len(table.rows) <= _MOST_CELLS):
        most = max(values, key=lambda name: len(values[name]))
        raise ValueError(
            f"{path}: column {most} has {len(values[most]):,} different values, and all columns {columns:,}; features "
            f"are choices of few: {min(_MOST_VALUES, _MOST_CELLS // len(table.rows)):,} values in all at most"
        )
    coded, first = np.zeros((len(table.rows), columns)), 0
    for name, column in choices.items():
        codes = {value: code for code, value in enumerate(values[name], start=first)}
        coded[np.arange(len(column)), [codes[value] for value in column]] = 1.0
        first += len(codes)
    return _names(table), coded


def _others(table: InputTable) -> list[str]:
    """The columns besides that of the networks, of which there must be one or more."""
    others = [name for name in table.columns if name not in ("", NETWORK)]
    if not others:
        raise ValueError(f"{table.path} must have a column {NETWORK!r} and others, got that one alone")
    return others
