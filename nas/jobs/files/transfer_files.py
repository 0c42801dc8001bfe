"""A new device from a few measurements, by files: what to measure next, and what that tells of all other networks.

Every file has one row per network and its name in a column `network`. The known latencies have a column per device, in
milliseconds; the features a column per choice, such as the operator of a layer or a width, of whatever values; the
measurements a column `latency_ms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hardware.transfer.transfer import DeviceTransfer
from nas.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd

NETWORK, LATENCY = "network", "latency_ms"


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
        import pandas as pd

        latencies, choices = _read(known), _read(features)
        if set(latencies.index) != set(choices.index):
            only = sorted(set(latencies.index) ^ set(choices.index))[0]
            raise ValueError(f"{known} and {features} must hold the same networks; only one of them has {only!r}")
        coded = pd.get_dummies(choices.loc[latencies.index].astype(str))
        self.networks = [str(name) for name in latencies.index]
        self._transfer = DeviceTransfer(_numbers(latencies, known), coded.to_numpy(dtype=float))

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

        found = self._transfer.predict(*self._measured(measured))
        columns = {NETWORK: self.networks, LATENCY: found.latency_ms, "factor": found.factor}
        with atomic_write(output) as draft:
            pd.DataFrame(columns).to_csv(draft, index=False)

    def _measured(self, path: Path) -> tuple[Sequence[int], np.ndarray]:
        table = _read(path)
        if list(table.columns) != [LATENCY]:
            raise ValueError(f"{path} must have the columns {NETWORK} and {LATENCY}, got {list(table.columns)}")
        rows = {name: row for row, name in enumerate(self.networks)}
        unknown = [name for name in table.index if name not in rows]
        if unknown:
            raise ValueError(f"{path} must measure known networks, got {unknown[0]!r}")
        return [rows[name] for name in table.index], _numbers(table, path)[:, 0]


def _read(path: Path) -> pd.DataFrame:
    """A CSV file by network; names and values are text as they stand there."""
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV file") from error
    if NETWORK not in table.columns or len(table.columns) < 2:
        raise ValueError(f"{path} must have a column {NETWORK!r} and others, got {list(table.columns)}")
    twice = table[NETWORK][table[NETWORK].duplicated()]
    if len(twice):
        raise ValueError(f"{path} must name every network once, got {twice.iloc[0]!r} twice")
    return table.set_index(NETWORK)


def _numbers(table: pd.DataFrame, path: Path) -> np.ndarray:
    try:
        return table.to_numpy(dtype=float)
    except ValueError as error:
        raise ValueError(f"{path} must hold latencies in milliseconds: {error}") from error
