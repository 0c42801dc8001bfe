"""A table that a search cannot use is refused before anything runs, with how to make the right one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hardware.calibration.calibration import Calibration
from hardware.calibration.fit_quality import FitQuality
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_use import TensorUse
from hardware.tables.latency_table import LatencyTable
from hardware.tables.roofline import Roofline
from nas.jobs.files.device_section import DeviceSection
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import StoredTable
from nas.jobs.stages.table_check import check_table
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import SearchSpace

W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)
SEARCH = SearchSection(objectives=["accuracy", "latency_ms"])
LIMITED = SearchSection(objectives=["accuracy", "latency_ms"], limits={"latency_ms": 5.0})
DIGITS = create_space("resnet_digits", 3, 4)


def _joint(space: SearchSpace) -> JointSpace:
    return JointSpace(space, PolicySpace((W32, W8)))


def _table(space: SearchSpace) -> LatencyTable:
    return Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0).table(_joint(space).list_distinct_layers())


def _check(table: LatencyTable, search: SearchSection = SEARCH, accept: bool = False) -> None:
    check_table(StoredTable(Path("npu.parquet"), table), _joint(DIGITS), search, DeviceSection(accept_poor_fit=accept))


SMALL = RestrictedSpace(DIGITS, {"resolution": [12]})
MAKE = "make it with: nas tables estimate DEVICE.yaml resnet_digits OUTPUT.parquet --channels 3 --classes 4"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_table(create_space("resnet_digits", 3, 10)), f"it was made for 10 classes, and the images have 4; {MAKE}"),
        (
            _table(create_space("resnet_digits", 1, 4)),
            f"it was made for images of 1 channels, and these have 3; {MAKE}",
        ),
        (_table(SMALL), f"it has that layer at 12x12 alone; {MAKE}"),
        (_table(create_space("mobilenet_v3_cifar", 3, 4)), f"it .*; {MAKE}"),
        (replace(_table(SMALL), origin="imported"), "take a table of resnet_digits, for images of 3 channels and 4 cl"),
        (
            replace(_table(SMALL), origin="measured"),
            "measure it for this job with: nas profile JOB, without device.tab",
        ),
    ],
)
def test_a_table_of_other_networks_says_of_which(table: LatencyTable, message: str) -> None:
    with pytest.raises(ValueError, match=rf"npu.parquet: no latency_ms for '.*' at w.* in 'npu'; .*; {message}"):
        _check(table)
    _check(_table(DIGITS))


def test_no_network_costs_less_than_nothing() -> None:
    table = replace(_table(DIGITS), calibration=Calibration(constant_ms=-5.0))
    with pytest.raises(ValueError, match=r"npu.parquet: every network costs more than 0, and this sum .* is -4\.9"):
        _check(table)
    costs = TensorCosts({TensorUse.parse("float"): TensorCost(-1.0, 0.0)})
    with pytest.raises(ValueError, match="every network costs more than 0"):
        _check(replace(table, calibration=Calibration(tensors=costs)))


def test_limits_need_a_table_that_was_held_against_networks() -> None:
    def fitted(explained: float) -> LatencyTable:
        quality = FitQuality(3.5, 0.9, explained, 20)
        return replace(_table(DIGITS), origin="measured", calibration=Calibration(quality=quality))

    for poor in (0.7, float("nan")):
        with pytest.raises(
            ValueError, match=r"npu\.parquet: the calibration explains .* or set device.accept_poor_fit"
        ):
            _check(fitted(poor), LIMITED)
        _check(fitted(poor), LIMITED, accept=True)
        _check(fitted(poor))
    _check(fitted(0.9), LIMITED)
    uncalibrated = replace(_table(DIGITS), origin="measured")
    with pytest.raises(
        ValueError, match="was not calibrated on whole networks, and latency is limited; finish it with"
    ):
        _check(uncalibrated, LIMITED)
    _check(uncalibrated, LIMITED, accept=True)
    _check(_table(DIGITS), LIMITED)


@pytest.mark.parametrize("text", ["w8a8-rank0.8", "w3a8-correct0.3"])
def test_limits_on_what_no_calibration_was_held_against_are_refused(text: str) -> None:
    space = JointSpace(DIGITS, PolicySpace((W8, LayerPolicy.parse(text))))
    entries = Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0).table(space.list_distinct_layers())
    fitted = replace(entries, calibration=Calibration(0.1, quality=FitQuality(1.0, 0.99, 0.99, 60)))

    def check(table: LatencyTable, search: SearchSection, accept: bool = False) -> None:
        check_table(StoredTable(Path("npu.parquet"), table), space, search, DeviceSection(accept_poor_fit=accept))

    with pytest.raises(ValueError, match=f"networks without factors of low rank, so its error at {text} is not known"):
        check(fitted, LIMITED)
    check(fitted, SEARCH)
    check(fitted, LIMITED, accept=True)
    check(entries, LIMITED)  # an estimate, whose error is not known of any network
    check_table(StoredTable(Path("npu.parquet"), fitted), _joint(DIGITS), LIMITED, DeviceSection())
