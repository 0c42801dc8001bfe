"""What a job names and only this machine has goes along with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nas.jobs.cluster.shipment import ship
from nas.jobs.files.job import Job, load_job


def _job(folder: Path, network: str, weights: str) -> Job:
    space = {"network": network, "weights": weights, "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8"]}
    (folder / "job.yaml").write_text(yaml.safe_dump({"name": "mine", "space": space}))
    return load_job(folder / "job.yaml")


def test_a_given_network_is_shipped_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "small.py").touch()
    (tmp_path / "stored").mkdir()
    (tmp_path / "stored" / "net.safetensors").touch()
    job, shipped = ship(_job(tmp_path, "nets.small:make", "stored/net.safetensors"), ship_data=False)
    assert (job.space.network, job.space.weights) == ("nets.small:make", "net.safetensors")
    assert shipped == (str(tmp_path / "stored" / "net.safetensors"), str(tmp_path / "nets"))
    (tmp_path / "stored" / "config.json").touch()
    job, shipped = ship(_job(tmp_path, "transformers:stored/config.json", "stored/net.safetensors"), ship_data=False)
    assert job.space.network == "transformers:config.json"
    assert shipped[1] == str(tmp_path / "stored" / "config.json")
    assert ship(_job(tmp_path, "timm:resnet18", "stored/net.safetensors"), ship_data=False)[1] == shipped[:1]


def test_two_files_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").touch()
    (tmp_path / "stored").mkdir()
    (tmp_path / "stored" / "config.json").touch()
    with pytest.raises(ValueError, match=r"must have names of its own, got config\.json twice"):
        ship(_job(tmp_path, "transformers:config.json", "stored/config.json"), ship_data=False)
