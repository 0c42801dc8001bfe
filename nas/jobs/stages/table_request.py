"""Which latency table a job asks for, and where it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.device import USABLE_CPUS, check_threads
from hardware.tables.table_metadata import SCHEMA_VERSION
from nas.compression.tracing.trace import TracedNetwork
from nas.evaluation.profilers import create_profiler
from nas.jobs.files.device_section import DeviceSection
from nas.jobs.files.search_section import SearchSection
from nas.jobs.job_runs import Inputs, stage_path
from nas.jobs.stages.exact_costs import ExactCosts, StoredTable
from nas.jobs.stages.limit_check import check_limits
from nas.jobs.stages.table_check import check_table
from search_spaces.joint_space import JointSpace


@dataclass(frozen=True)
class TableRequest:
    """The latency table that a job asks for.

    Attributes:
        device: Of which device, with how many threads and inputs; or which table is given.
        search: What the table must price, and whether latency is limited.
        space: The candidates that it must price.
        network: The network that is given; None where the job names a space.
        inputs: What else a measured table depends on.
        folder: The folder of the job.
    """

    device: DeviceSection
    search: SearchSection
    space: JointSpace
    network: TracedNetwork | None
    inputs: Inputs
    folder: Path

    @property
    def given(self) -> Path | None:
        """The table that is given; None where it is measured."""
        return None if self.device.table is None else Path(self.device.table)

    def path(self, machine: Mapping[str, str], exported: Sequence[str] = ()) -> Path:
        """Where the table lies that is measured on a machine of this fingerprint.

        Args:
            machine: The fingerprint.
            exported: Keys of networks by which it is refined.

        Raises:
            ValueError: If the device has more threads than the machine has usable CPUs.
        """
        check_threads(self.device.threads, machine)
        stated = self.device.model_dump(exclude={"accept_poor_fit"})
        precisions = [str(one) for one in self.device.here().precisions]
        device = {"device": stated, "precisions": precisions, "machine": machine}
        inputs = {**self.inputs, **device, "schema": SCHEMA_VERSION}
        inputs |= {"exported": list(exported)} if exported else {}
        if self.network is not None:
            inputs["graph"] = hashlib.sha256(self.network.graph.to_json().encode()).hexdigest()
        return stage_path(self.folder, "profile", inputs) / "latency.parquet"

    def path_here(self) -> Path:
        """Where the table lies that is measured on this machine.

        Raises:
            ValueError: If the device cannot be measured here, or has more threads than there are usable CPUs.
        """
        return self.path(create_profiler(self.device.here()).fingerprint())

    def older(self, machine: Mapping[str, str]) -> str:
        """What to do with a table of this machine that does not say how many CPUs were usable; empty without one."""
        path = self.path({name: value for name, value in machine.items() if name != USABLE_CPUS})
        if not path.exists():
            return ""
        return f"{path} does not say how many CPUs were usable when it was measured; name it as device.table to use it"

    def check(self, stored: StoredTable) -> StoredTable:
        """The same table, if it has what the search asks of it, and tells it well enough.

        Raises:
            ValueError: See `check_table` and `check_limits`.
        """
        check_limits(ExactCosts(self.space, check_table(stored, self.space, self.search, self.device)), self.search)
        return stored
