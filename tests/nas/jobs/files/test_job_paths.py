"""Every key of a job that names something of this machine is known as such, by what its value is."""

from __future__ import annotations

from nas.jobs.files.job import Job
from nas.jobs.files.job_paths import list_code, replace_paths
from nas.jobs.files.section import check_section

JOB = {
    "name": "one",
    "task": {"loss": "losses:focal", "metrics": {"ink": {"function": "measures:ink", "maximize": False}}},
    "data": {"source": "photos"},
    "space": {"network": "nets:make", "weights": "w.safetensors", "inputs": [1, 8, 8], "policies": ["w8a8"]},
    "device": {"name": "npu", "table": "npu.parquet"},
}


def test_values_are_replaced_by_their_kind() -> None:
    job = check_section(JOB, Job, "job")
    found = replace_paths(
        job, {kind: lambda key, value, kind=kind: f"{kind} {key}" for kind in ("data", "file", "code")}
    )
    assert found["data"] == {"source": "data data.source"}
    assert (found["space"]["network"], found["space"]["weights"]) == ("code space.network", "file space.weights")
    assert found["device"] == {"name": "npu", "table": "file device.table"}
    assert found["task"]["metrics"]["ink"]["function"] == "code task.metrics.ink.function"
    assert found["space"]["policies"] == ["w8a8"]


def test_code_is_what_is_imported_and_not_a_file() -> None:
    named = dict(list_code(JOB))
    assert named == {
        "task.loss": "losses:focal",
        "task.metrics.ink.function": "measures:ink",
        "space.network": "nets:make",
    }
    assert not dict(list_code({"space": {"network": "stored:net.safetensors"}}))
    assert dict(list_code({"task": {"loss": "stored:focal"}})) == {"task.loss": "stored:focal"}  # of a stored.py
