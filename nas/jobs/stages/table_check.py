"""Whether a latency table has what a search asks of it, and what to do if it has not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hardware.calibration.calibration import Calibration
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable, MissingCost
from hardware.tables.nearest import SIZE, find_nearest
from hardware.tables.pricing import tabulate_prices
from nas.jobs.files.device_section import DeviceSection
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import StoredTable
from search_spaces.joint_space import JointSpace
from search_spaces.presets import SPACES

_PRICED = 1000  # networks whose price is looked at beforehand; that of every other one is checked when it is asked for


def check_table(stored: StoredTable, space: JointSpace, search: SearchSection, device: DeviceSection) -> StoredTable:
    """The same table, if it has what a search asks of it, and tells it well enough.

    Args:
        stored: The table.
        space: The candidates that it must price.
        search: What it must price, and whether latency is limited.
        device: Whether a poor fit is accepted.

    Raises:
        ValueError: If an entry is missing, which is named with what would do; if a network would cost nothing or less;
            or if latency is limited, and told badly, or it is not known how well, as with low rank.
    """
    sample = space.sample(np.random.default_rng(0), _PRICED).genes
    for name in search.table_costs:
        try:
            tabulate_prices(space, stored.table, name)(sample)
        except MissingCost as error:
            raise ValueError(f"{stored.path}: {error}; {_explain(stored.table, space, error)}") from error
        except ValueError as error:
            raise ValueError(f"{stored.path}: {error}") from error
    if LATENCY in search.limits and not device.accept_poor_fit:
        _check_fit(stored)
        _check_ranks(stored, space)
    return stored


def find_low_rank(space: JointSpace) -> str:
    """A policy of a space by which layers are of low rank, or corrected by one, as text; empty if there is none."""
    return next((str(policy) for policy in space.policies.all_policies if not policy.has_no_factors), "")


def _check_fit(stored: StoredTable) -> None:
    """Refuses hard limits by a measured table that was not held against whole networks, or agrees with them badly."""
    remedy = "or set device.accept_poor_fit"
    quality = stored.table.calibration.quality
    if quality is not None:
        quality.require(f"{stored.path}: the calibration", f"measure again with less noise, {remedy}")
    elif stored.table.origin == "measured":
        raise ValueError(
            f"{stored.path} was not calibrated on whole networks, and latency is limited; finish it with: nas profile "
            f"JOB, {remedy}"
        )


def _check_ranks(stored: StoredTable, space: JointSpace) -> None:
    """Refuses hard limits on networks of low rank by a table that was held against networks without."""
    if stored.table.calibration != Calibration() and (policy := find_low_rank(space)):
        raise ValueError(
            f"{stored.path} was calibrated on networks without factors of low rank, so its error at {policy} is not "
            "known, and latency is limited; leave out the limit or such policies, or set device.accept_poor_fit"
        )


def _explain(table: LatencyTable, space: JointSpace, error: MissingCost) -> str:
    """Why a table lacks a layer of a space, as far as its other layers tell, and how to make the right one."""
    slots, shapes = space.architectures.slots, space.architectures.slot_layers
    channels = next(layer.input_shape[0] for layer in shapes[slots[0].name] if layer)
    classes = next(layer.out_channels for layer in shapes[slots[-1].name] if layer)
    nearest = find_nearest(table, error.layer)
    outputs = nearest.get("out_features", nearest.get("out_channels"))
    inputs = nearest.get("in_channels", nearest.get("in_features"))
    why = f"it has no layer like that one, as if it was made for another space than {space.architectures.name!r}"
    if error.layer.name == slots[-1].name and outputs:
        why = f"it was made for {_listed(outputs)} classes, and the images have {classes}"
    elif error.layer.name == slots[0].name and inputs:
        why = f"it was made for images of {_listed(inputs)} channels, and these have {channels}"
    elif nearest.keys() == {SIZE}:
        why = f"it has that layer at {_listed('x'.join(map(str, sides)) for sides in nearest[SIZE])} alone"
    elif nearest:
        why = f"it has such a layer with {'; '.join(f'{name} {_listed(values)}' for name, values in nearest.items())}"
    return f"{why}; {_remedy(table, space.architectures.name, channels, classes)}"


def _remedy(table: LatencyTable, space: str, channels: int, classes: int) -> str:
    if table.origin == "measured":
        return "measure it for this job with: nas profile JOB, without device.table"
    if table.origin == "estimated" and space in SPACES:
        options = f"--channels {channels} --classes {classes}"
        return f"make it with: nas tables estimate DEVICE.yaml {space} OUTPUT.parquet {options}"
    return f"take a table of {space}, for images of {channels} channels and {classes} classes"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
