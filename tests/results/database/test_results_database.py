from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, Provenance, RunRecord, Source
from results.metric import get_metric
from search_spaces.candidate import Architecture, Candidate, ConvBlock
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

FIXTURES = Path(__file__).parents[2] / "fixtures" / "results"


def candidate(number: int) -> Candidate:
    blocks = (ConvBlock(8 + number, 3, 4.0), ConvBlock(16, 5, 6.0))
    return Candidate(
        Architecture("made-up", 32, (blocks,)),
        CompressionPolicy((LayerPolicy.quantized(8, 8), LayerPolicy.quantized(4, 8))),
    )


def record(run: str, device: str = "phone", budget: int = 10, subject: str = "") -> RunRecord:
    provenance = Provenance({"python": "3.11.0"}, "abc1234", "2025-01-01T00:00:00+00:00")
    inputs = {"budget": budget, "betas": (0.9, 0.99)}
    return RunRecord(run, inputs, 7, device, "job", "search", subject, {"earlier": 3}, provenance)


def evaluation(
    run: str, sequence: int, accuracy: float = 90.0, latency_ms: float = 5.0, source: Source = "measured"
) -> Evaluation:
    values = {"accuracy": accuracy, "latency_ms": latency_ms}
    return Evaluation(candidate(sequence), values, source, run, sequence, seed=2**40 + sequence)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/folder/results.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def database(url: str) -> Iterator[ResultsDatabase]:
    with ResultsDatabase(url) as opened:
        opened.begin(record("a"))
        opened.begin(record("b", device="server"))
        yield opened


def test_what_is_appended_comes_back_equal_and_in_order(database: ResultsDatabase, url: str) -> None:
    written = [evaluation("a", sequence, accuracy=90.1 + sequence / 3) for sequence in (2, 0, 1)]
    database.append(written)
    database.append([])
    with ResultsDatabase(url) as reader:
        assert reader.evaluations("a") == sorted(written, key=lambda entry: entry.sequence)
        assert reader.evaluations("b") == []
        assert reader.record("a") == record("a")


def test_a_run_begins_once(database: ResultsDatabase) -> None:
    database.begin(record("a"))
    with pytest.raises(ValueError, match="'a' is already there with another budget '10';"):
        database.begin(record("a", budget=11))
    with pytest.raises(ValueError, match="another device 'phone'"):
        database.begin(record("a", device="server"))
    database.append([evaluation("a", 0), evaluation("a", 1)])
    runs = database.runs()
    assert dict(zip(runs["run"], runs["evaluations"], strict=True)) == {"a": 2, "b": 0}


def test_runs_are_found_by_what_their_measurements_depend_on(database: ResultsDatabase) -> None:
    for run, subject in (("c", "x"), ("d", "y"), ("e", "x")):
        database.begin(record(run, subject=subject))
    assert database.runs_of_subject("x") == ["c", "e"]
    assert database.runs_of_subject("z") == []
    assert [database.has_run(run) for run in ("c", "f")] == [True, False]


def test_unknown_names_list_the_known_ones(database: ResultsDatabase) -> None:
    database.append([evaluation("a", 0)])
    with pytest.raises(ValueError, match="unknown run 'c'; known runs: a, b"):
        database.append([evaluation("c", 0)])
    with pytest.raises(ValueError, match="unknown run 'c'; known runs: a, b"):
        database.evaluations("c")
    with pytest.raises(ValueError, match="unknown run 'c'; known runs: a, b"):
        database.frame(run="c")
    with pytest.raises(ValueError, match="unknown device 'tpu'; known devices: phone, server"):
        database.frame(device="tpu")
    with pytest.raises(ValueError, match="unknown metric 'speed'; known metrics: accuracy"):
        database.frame(limits={"speed": 1.0})
    with pytest.raises(ValueError, match="no evaluation here has energy_mj; recorded: accuracy, latency_ms"):
        database.frame(limits={"energy_mj": 1.0})
    for bound in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="limit of accuracy must be a finite number, got"):
            database.frame(limits={"accuracy": bound})


def test_candidates_are_found_by_the_beginning_of_their_key(database: ResultsDatabase) -> None:
    database.append([evaluation("a", sequence) for sequence in range(40)])
    key = candidate(3).key
    assert database.candidate(key[:12].upper()) == candidate(3)
    with pytest.raises(ValueError, match=r"must begin one key only, got .*\.\.\.; add digits"):
        database.candidate("")
    for nothing in ("%", "_", "zz"):
        with pytest.raises(ValueError, match="unknown candidate"):
            database.candidate(nothing)


def test_frame_describes_and_filters(database: ResultsDatabase) -> None:
    assert list(database.frame().columns)[:6] == ["run", "device", "sequence", "source", "fidelity", "key"]
    assert database.pareto_front([get_metric("accuracy")]).empty
    database.append([evaluation("a", 0, 90.0, 4.0), evaluation("a", 1, 80.0, 5.0, source="predicted")])
    database.append([Evaluation(candidate(0), {"weight_bytes": 100.0}, "exported", "b", 0, 0)])
    frame = database.frame()
    assert list(frame.columns[6:]) == [
        *("accuracy", "latency_ms", "weight_bytes"),
        *("resolution", "blocks", "mean_weight_bits"),
    ]
    assert frame.iloc[0][["key", "resolution", "blocks", "mean_weight_bits"]].tolist() == [candidate(0).key, 32, 2, 6.0]
    assert frame["accuracy"].isna().tolist() == [False, False, True]
    assert database.frame(source="predicted")["sequence"].tolist() == [1]
    assert database.frame(device="server")["run"].tolist() == ["b"]
    assert database.frame(run="a", limits={"latency_ms": 5.0})["sequence"].tolist() == [0, 1]
    assert database.frame(limits={"latency_ms": 4.5})["sequence"].tolist() == [0]
    assert database.frame(limits={"accuracy": 85.0})["accuracy"].tolist() == [90.0]
    assert database.frame(limits={"accuracy": 99.0}).empty


def test_pareto_front_keeps_ties_and_leaves_out_what_lacks_a_metric(database: ResultsDatabase) -> None:
    trade = [get_metric("accuracy"), get_metric("latency_ms")]
    points = [(80.0, 1.0), (90.0, 2.0), (90.0, 2.0), (89.0, 2.0), (95.0, 9.0)]
    database.append(evaluation("a", sequence, *point) for sequence, point in enumerate(points))
    database.append([Evaluation(candidate(9), {"accuracy": 99.0}, "measured", "b", 0, 0)])
    assert database.pareto_front(trade)["sequence"].tolist() == [4, 1, 2, 0]
    assert database.pareto_front(trade, limits={"latency_ms": 5.0})["sequence"].tolist() == [1, 2, 0]
    low = [Evaluation(candidate(8), {"accuracy": 99.0, "latency_ms": 0.1}, "measured", "b", 1, 0, fidelity=0.1)]
    database.append(low)
    assert database.evaluations("b")[1:] == low
    assert database.frame(run="b")["fidelity"].tolist() == [1.0, 0.1]
    assert database.pareto_front(trade)["sequence"].tolist() == [4, 1, 2, 0]
    with pytest.raises(ValueError, match="one or more metrics, got none"):
        database.pareto_front([])


@pytest.mark.parametrize("stored", sorted(FIXTURES.glob("*.db")), ids=lambda path: path.stem)
def test_databases_of_every_revision_are_opened_and_hold_what_they_held(stored: Path, tmp_path: Path) -> None:
    path = tmp_path / stored.name
    shutil.copyfile(stored, path)
    expected = pd.read_csv(stored.with_suffix(".csv"))
    with ResultsDatabase(f"sqlite:///{path}") as database:
        pd.testing.assert_frame_equal(database.frame()[expected.columns], expected)
        for run, rows in expected.groupby("run"):
            found = database.evaluations(str(run))
            assert [entry.candidate.key for entry in found if not entry.failure] == rows["key"].tolist()
            failed = [(entry.sequence, entry.values, entry.failure) for entry in found if entry.failure]
            there = stored.stem != "r0001" and str(run).endswith("/fit")  # the first revision knew no failures
            assert failed == [(5, {}, "out of memory")] * there
        searched = database.record("resnet_digits/search")
        assert searched.inputs["betas"] == [0.9, 0.99]
        assert searched.sources == {"resnet_digits/fit": 4}
        assert searched.provenance.git == "v0-1-gabc1234"
        kept = stored.stem not in ("r0001", "r0002")  # the first revisions knew no jobs
        assert searched.job_document.get("job", {}).get("name") == ("resnet_digits" if kept else None)
        assert len(database.runs_of_subject("subject of resnet_digits")) == 3
