"""What a job names and only this machine has goes along with it, and every path in it is one of the cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.jobs.cluster.shipment import ship
from nas.jobs.files.job import Job, load_job


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    """Writes and reads a job of a given network, in a current folder that has a few files."""
    monkeypatch.chdir(tmp_path)
    for name in ("nets/small.py", "stored/job.yaml", "stored/config.json", "photos/cats/a.png", "config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def make(network: str = "nets.small:make", weights: str = "stored/job.yaml", **sections: Any) -> Job:
        space = {"network": network, "weights": weights, "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8"]}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"name": "mine", "space": space, **sections}))
        return load_job(tmp_path / "mine.yaml")

    return make


def test_a_given_network_is_shipped_whole(job: Callable[..., Job], tmp_path: Path) -> None:
    shipment = ship(job())
    space = yaml.safe_load(shipment.job)["space"]
    assert (space["network"], space["weights"]) == ("nets.small:make", "sent.2/job.yaml")
    assert shipment.files == {"nets": tmp_path / "nets", "sent.2/job.yaml": tmp_path / "stored" / "job.yaml"}
    for network in ("timm:resnet18", f"{tmp_path}/config.json:make", "nets/small:make", "elsewhere.installed:make"):
        assert list(ship(job(network)).files) == ["sent.1/job.yaml"]


def test_losses_and_metrics_are_shipped(job: Callable[..., Job], tmp_path: Path) -> None:
    for name in ("losses.py", "measures.py"):
        (tmp_path / name).touch()
    metrics = {"ink": {"function": "measures:ink", "maximize": False}}
    shipment = ship(job(weights="stored/job.yaml", task={"loss": "losses:focal", "metrics": metrics}))
    assert {"losses.py", "measures.py"} <= shipment.files.keys()
    assert yaml.safe_load(shipment.job)["task"] == {"loss": "losses:focal", "metrics": metrics}


def test_files_of_one_name_do_not_meet(job: Callable[..., Job], tmp_path: Path) -> None:
    table = {"name": "npu", "table": str(tmp_path / "config.json")}
    shipment = ship(job("transformers:stored/config.json", device=table))
    read = yaml.safe_load(shipment.job)
    places = [
        (read["device"]["table"], tmp_path / "config.json"),
        (read["space"]["network"].removeprefix("transformers:"), tmp_path / "stored" / "config.json"),
        (read["space"]["weights"], tmp_path / "stored" / "job.yaml"),
    ]
    assert shipment.files == dict(places)
    assert len(shipment.files) == 3
    assert all(name.count("/") == 1 for name in shipment.files)  # none replaces the job or another


def test_images_are_shipped_or_named_from_the_root(job: Callable[..., Job], tmp_path: Path) -> None:
    for source in ("photos", "./photos", "stored/../photos", str(tmp_path / "photos")):
        named = job(data={"source": source})
        there = yaml.safe_load(ship(named).job)["data"]["source"]
        assert Path(there).is_absolute()
        assert Path(there).samefile(tmp_path / "photos")
        shipment = ship(named, ship_data=True)
        sent = yaml.safe_load(shipment.job)["data"]["source"]
        assert sent.endswith("/photos")
        assert shipment.files[sent].samefile(tmp_path / "photos")
    elsewhere = job(data={"source": "/data/of/the/cluster"})
    assert yaml.safe_load(ship(elsewhere).job)["data"]["source"] == "/data/of/the/cluster"
    assert "data" not in yaml.safe_load(ship(job()).job)


def test_nothing_but_code_is_shipped_to_a_cluster_that_sees_the_files(job: Callable[..., Job], tmp_path: Path) -> None:
    table = {"name": "npu", "table": "config.json"}
    shipment = ship(job(device=table, data={"source": "photos"}), shared_files=True)
    assert shipment.files == {"nets": tmp_path / "nets"}
    read = yaml.safe_load(shipment.job)
    paths = (read["device"]["table"], read["space"]["weights"], read["data"]["source"])
    assert paths == tuple(str(tmp_path / name) for name in ("config.json", "stored/job.yaml", "photos"))
    shipped = ship(job("transformers:config.json"), shared_files=True)
    assert yaml.safe_load(shipped.job)["space"]["network"] == f"transformers:{tmp_path / 'config.json'}"


def test_what_is_not_there_is_said_before_anything_is_sent(job: Callable[..., Job]) -> None:
    with pytest.raises(ValueError, match="none is to be sent to the cluster and is not there"):
        ship(job(weights="none"))
    with pytest.raises(ValueError, match="/none is to be sent to the cluster and is not there"):
        ship(job(data={"source": "/none"}), ship_data=True)
    with pytest.raises(
        ValueError, match=r"data\.source is 'none', which is not there; name the path on the cluster from"
    ):
        ship(job(data={"source": "none"}))
    with pytest.raises(ValueError, match=r"--ship-data sends the images, and --shared-files says .*; take one"):
        ship(job(), ship_data=True, shared_files=True)
