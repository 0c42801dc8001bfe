"""`nas compress` takes candidates of a supernet, and networks that were stored, as it takes networks made by code."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from rich.console import Console
from torch import Tensor, nn
from typer.testing import CliRunner

from hardware.tables.roofline import Roofline
from hardware.tables.table_file import save_table
from nas.cli.main import app
from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import load_traced, save_traced
from nas.evaluation.realize import CandidateRealizer
from nas.export.onnx_model import open_session, run_session
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.compressed_job import add_defaults, list_added
from nas.jobs.files.job import Job, load_job
from nas.jobs.files.search_section import SearchSection
from nas.jobs.job_folder import open_job_folder
from nas.jobs.run import train_job
from nas.jobs.workspace import Workspace
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

JOB = {
    "name": "one",
    "data": {"source": "digits", "limit": 300},
    "space": {"name": "resnet_digits", "policies": ["w8a8", "w3a8"]},
    "training": {"schedule": "single", "epochs": 1, "batch_size": 25},
    "search": {"searcher": "nsga2", "evaluations": 4, "objectives": ["accuracy", "weight_bytes"]},
    "export": {"count": 1},
}
GIVEN = {**{key: JOB[key] for key in ("name", "data", "search", "export")}, "space": {"policies": ["w8a8", "w3a8"]}}

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))
"""


@dataclass(frozen=True)
class Trained:
    """A job with a trained supernet, and the smallest candidate of its space, which is in the results database."""

    job: Path
    runs: Path
    candidate: Candidate

    def open(self) -> Workspace:
        return Workspace(load_job(self.job), self.runs, Reporter(Console(file=io.StringIO(), width=200)))

    @property
    def stored(self) -> list[Path]:
        return [*self.runs.glob("one/candidate-*/*.safetensors")]

    def compress(self, *options: str) -> str:
        ended = CliRunner().invoke(app, ["compress", str(self.job), "--runs", str(self.runs), *options])
        return ended.output if ended.exception is None else str(ended.exception)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("one")
    job = folder / "job.yaml"
    job.write_text(yaml.safe_dump(JOB))
    found = Trained(job, folder / "runs", None)  # type: ignore[arg-type]
    with found.open() as workspace, open_job_folder(workspace.folder):
        checkpoint = train_job(workspace)
        smallest = workspace.space.smallest()
        record = workspace.execution.runs.record("fit", {"supernet": checkpoint})
        workspace.database.begin(record)
        workspace.database.append([Evaluation(smallest, {"accuracy": 50.0}, "measured", record.run, 0, 0)])
    return Trained(job, found.runs, smallest)


def test_what_a_job_does_not_state_is_added_and_what_it_states_stays() -> None:
    space = {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w8a8", "w4a8", "w3a8"]}
    known = {"name": "one", "data": {"source": "digits"}, "space": space}

    def add(**search: object) -> SearchSection:
        given = Job.model_validate(known | {"search": {"objectives": ["accuracy", "weight_bytes"], **search}})
        added = add_defaults(given, "light")
        assert all(name.split(".")[1] not in search.keys() - {"options"} for name in list_added(given, added))
        return added.search

    bare = add()
    assert (bare.searcher, bare.evaluations, bare.stop_gain) == ("allocation", 3 + 20 + 20, 0.005)
    assert add(options={"initial_design": 50}).evaluations == 3 + 50 + 20
    assert (add(evaluations=7).evaluations, add(evaluations=7).stop_gain) == (7, 0.005)
    assert add(stop=None).stop_gain is None
    assert add(stop={"gain": 0.1}).stop_gain == 0.1
    other = add(searcher="nsga2")
    assert (other.searcher, other.evaluations, other.stop_gain) == ("nsga2", 200, None)


def test_without_labels_candidates_are_compared_with_the_network_itself(bring_network: Callable[..., Path]) -> None:
    search = {"evaluations": 5, "limits": {"explained_variance": 0.5}, "objectives": ["top1_agreement", "weight_bytes"]}
    space = {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8", "w2a8"]}
    job = {"name": "one", "data": {"source": "photos.npz", "labelled": False}, "space": space, "search": search}
    folder = bring_network(
        "from torch import nn\n\n"
        "def make():\n    return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))\n",
        job | {"export": {"count": 1}},
    )
    np.savez(folder / "photos.npz", images=np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8))
    found = CliRunner().invoke(app, ["compress", "job.yaml", "--preset", "finetune"])
    assert found.exit_code == 0, found.output
    assert "without labels: candidates are compared with its outputs on 19 validation images" in found.output
    with ResultsDatabase(f"sqlite:///{folder / 'runs' / 'results.db'}") as database:
        measured = database.frame(source="measured")
        tuned = database.frame(source="finetuned")
    exact = measured[measured["mean_weight_bits"] == 32]
    assert exact[["top1_agreement", "explained_variance"]].to_numpy() == pytest.approx(np.array([[100.0, 1.0]]))
    assert (measured["explained_variance"] < 1 - 1e-6).sum() == len(measured) - 1
    assert len(tuned) == 1


def test_fine_tuning_starts_from_the_network_that_was_measured(
    bring_network: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w8a8", "w2a8"]}
    folder = bring_network(
        NETWORK,
        GIVEN | {"space": space},
    )
    images = torch.rand(8, 1, 8, 8)
    known: dict[str, Tensor] = {}  # outputs of networks that were made to be measured or trained
    original = CandidateRealizer.realize

    def realize(realizer: CandidateRealizer, candidate: Candidate, fidelity: float = 1.0) -> nn.Module:
        network = original(realizer, candidate, fidelity)
        known[candidate.key] = network(images)
        return network

    def begin(network: nn.Module, *_: object) -> None:
        known["begun"] = network(images)
        raise ValueError("it has begun")

    monkeypatch.setattr(CandidateRealizer, "realize", realize)
    monkeypatch.setattr("nas.jobs.stages.tuners.finetune_network", begin)
    begun = []
    for command in ("run", "compress", "compress --preset full"):
        runs = ("--runs", command)
        found = CliRunner().invoke(app, [*command.split(), "job.yaml", *runs])
        assert found.exit_code == 0, found.output
        (networks,) = folder.glob(f"{command}/one/export-*/networks.csv")
        key = str(pd.read_csv(networks, dtype=str)["key"][0])
        measured = known[key]
        tuned = CliRunner().invoke(app, ["finetune", "job.yaml", key, *runs])
        assert str(tuned.exception) == "it has begun"
        assert torch.equal(known["begun"], measured), command
        begun.append(measured)
    assert not any(torch.equal(one, other) for one, other in combinations(begun, 2))
    CliRunner().invoke(app, ["compress", "job.yaml", *runs])
    tuned = CliRunner().invoke(app, ["finetune", "job.yaml", key, *runs])
    ways = [f"compression.repair: {repair}, compression.observer: mse" for repair in ("full", "light")]
    refused = str(tuned.exception)
    assert f"candidate {key} must have been found by one compression.repair and compression.observer, got " in refused
    assert f"{' and '.join(ways)}; state in the job" in refused


def test_energy_is_an_objective_like_latency(bring_network: Callable[..., Path]) -> None:
    energies = {"w32a32": 4.0, "w8a8": 0.3}  # picojoules per operation
    space = {"network": "brought:make", "inputs": [1, 8, 8], "policies": [*energies]}
    search = {"evaluations": 4, "objectives": ["accuracy", "energy_mj"]}
    job = GIVEN | {
        "space": space,
        "search": search,
        "device": {"name": "npu", "table": "npu.parquet"},
        "export": {"count": 3},
    }
    folder = bring_network(NETWORK, job)
    by_policy = {LayerPolicy.parse(name): value for name, value in energies.items()}
    npu = Roofline("npu", dict.fromkeys(by_policy, 1.0), 1.0, 2.0, by_policy)
    with Workspace(load_job(folder / "job.yaml"), folder, Reporter(Console(file=io.StringIO()))) as workspace:
        save_table(npu.table(workspace.space.list_distinct_layers()), folder / "npu.parquet")
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    (path,) = folder.glob("runs/one/export-*/networks.csv")
    networks, layers = pd.read_csv(path, index_col="file"), pd.read_csv(path.with_name("layers.csv"))
    macs = {"0": 4 * 9 * 9, "3": 36 * 10}
    picojoules = [
        2 * macs[str(name)] * energies[policy] for name, policy in zip(layers["layer"], layers["policy"], strict=True)
    ]
    expected = 1e-9 * layers.assign(energy=picojoules).groupby("file")["energy"].sum()
    np.testing.assert_allclose(networks["predicted_energy_mj"], expected[networks.index])
    assert networks["predicted_energy_mj"].min() == pytest.approx(2 * sum(macs.values()) * 0.3e-9)


def test_a_candidate_of_a_supernet_is_compressed_as_the_network_that_it_is(trained: Trained) -> None:
    shown = trained.compress("--candidate", trained.candidate.key[:6])
    assert "measuring" in shown
    assert "policies of" in shown
    (stored,) = trained.stored
    with trained.open() as workspace:
        layers = len(trained.candidate.policy.layers)
        whole = Candidate(trained.candidate.architecture, CompressionPolicy((LayerPolicy(),) * layers))
        network = workspace.subject.realizer().realize(whole)
        images = torch.rand(3, *workspace.data.input_shape(whole.architecture.resolution))
        torch.testing.assert_close(load_traced(stored).network()(images), network(images), rtol=1e-4, atol=1e-4)
        found = workspace.database.frame(source="exported")
    assert found["run"].str.startswith("one/export-").all()
    assert list(trained.runs.glob("one/export-*/*.onnx"))
    assert "export   done before" in trained.compress("--candidate", trained.candidate.key[:6])


def test_what_is_exported_may_be_fine_tuned(trained: Trained) -> None:
    options = ("--candidate", trained.candidate.key[:6], "--preset", "finetune")
    shown = trained.compress(*options)
    (file,) = trained.runs.glob("one/finetune-*/fine-tuned-*.onnx")
    with trained.open() as workspace:
        (row,) = workspace.database.frame(source="finetuned").to_dict("records")
        images, labels = workspace.data.test.images, workspace.data.test.labels.numpy()
        inputs = workspace.data.transform.inputs(images, load_traced(*trained.stored).graph.inputs[0][1][-1])
    hits = run_session(open_session(file.read_bytes()), inputs.numpy()).argmax(1) == labels
    assert row["test_accuracy"] == pytest.approx(100 * hits.mean())
    assert row["key"][:8] in file.name
    assert "before" in shown
    assert "finetune done before" in trained.compress(*options)
    arguments = ["finetune", str(trained.job), row["key"], "--runs", str(trained.runs), *options[:2]]
    assert "finetune done before" in CliRunner().invoke(app, arguments).output


def test_features_are_compared_with_a_given_network_in_its_scale(trained: Trained, tmp_path: Path) -> None:
    arguments = ["finetune", str(trained.job), trained.candidate.key, "--runs", str(tmp_path / "runs")]
    ended = CliRunner().invoke(app, [*arguments, "--feature-distillation", "1"])
    assert "with those of a given network, got a supernet; leave it out" in str(ended.exception)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    save_traced(tmp_path / "net.safetensors", trace(module, [torch.rand(2, 1, 8, 8)]))
    space = {"network": f"stored:{tmp_path / 'net.safetensors'}", **GIVEN["space"]}
    compression = {"repair": "light", "observer": "mse", "equalization": "cross_layer"}
    arguments[1] = str(tmp_path / "job.yaml")
    Path(arguments[1]).write_text(yaml.safe_dump(GIVEN | {"space": space, "compression": compression}))
    ended = CliRunner().invoke(app, [*arguments, "--feature-distillation", "1"])
    assert "compression.equalization of this job rescales them, by cross_layer" in str(ended.exception)


def test_what_does_not_fit_together_is_refused_in_one_line(trained: Trained) -> None:
    for options, words in (
        ((), "or name a candidate of the job's supernet by --candidate"),
        (("--candidate", "zzzz"), "zzzz"),
        (
            ("--candidate", trained.candidate.key, "--preset", "heavy"),
            "--preset must be light, full or finetune, got 'heavy'",
        ),
    ):
        said = trained.compress(*options)
        assert words in said
        assert "\n" not in said


@pytest.mark.parametrize(
    ("space", "options", "words"),
    [
        ({"inputs": [1, 8, 8]}, (), "a stored network has weights and inputs in its file"),
        (
            {},
            ("--candidate", "ab"),
            "--candidate names a network of a supernet; space.network of the job is a given one",
        ),
        ({"network": "stored:nowhere"}, (), "space.network must be a file that can be read, got nowhere"),
        ({"network": "stored:job.yaml"}, (), "name a file that"),
        (
            {"network": "stored:wide.safetensors"},
            (),
            "a given network must read one sample like [1, 8, 8], images square, got [1, 8, 9]",
        ),
    ],
)
def test_stored_networks_are_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    space: dict[str, object],
    options: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, shape in (("net", (1, 8, 8)), ("wide", (1, 8, 9))):
        module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
        save_traced(tmp_path / f"{name}.safetensors", trace(module, [torch.rand(2, *shape)]))
    space = {"network": "stored:net.safetensors", **GIVEN["space"], **space}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(GIVEN | {"space": space}))
    ended = CliRunner().invoke(app, ["compress", "job.yaml", *options])
    assert words in str(ended.exception)
    assert "\n" not in str(ended.exception)
