"""A run that starts from others starts from the same of them whenever it goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nas.jobs.stages.warm_start import find_sources, read_sources
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
METRICS = ["accuracy"]
SOURCE = RunRecord("source", {}, 0, subject="this supernet")


def evaluation(number: int, fidelity: float = 1.0, failure: str = "") -> Evaluation:
    candidate = SPACE.sample(np.random.default_rng(0), 9)[number]
    values = {} if failure else {"accuracy": float(number)}
    return Evaluation(candidate, values, "measured", "source", number, 0, fidelity=fidelity, failure=failure)


def test_what_a_source_stores_later_is_not_mixed_in() -> None:
    record = replace(SOURCE, run="new")
    with ResultsDatabase("sqlite://") as database:
        database.begin(SOURCE)
        database.append([evaluation(number) for number in (3, 0, 1)])  # two workers; the third candidate takes long
        sources = find_sources(database, record, METRICS)
        before = read_sources(database, SPACE, sources, METRICS)
        database.append([evaluation(2)])
        after = read_sources(database, SPACE, sources, METRICS)
        assert sources == {"source": 2}
        assert before.values["accuracy"].tolist() == after.values["accuracy"].tolist() == [0.0, 1.0]
        assert find_sources(database, record, METRICS) == {"source": 4}
        database.begin(replace(record, sources=sources))
        assert find_sources(database, record, METRICS) == sources  # as it was begun


def test_only_full_measurements_of_the_same_subject_and_metrics_are_taken_over() -> None:
    with ResultsDatabase("sqlite://") as database:
        database.begin(SOURCE)
        database.append([evaluation(0, fidelity=0.1), evaluation(1), evaluation(2, fidelity=0.1), evaluation(3)])
        record = replace(SOURCE, run="new")
        sources = find_sources(database, record, METRICS)
        assert read_sources(database, SPACE, sources, METRICS).values["accuracy"].tolist() == [1.0, 3.0]
        assert find_sources(database, record, [*METRICS, "worst_class_accuracy"]) == {}
        assert find_sources(database, replace(record, subject="another"), METRICS) == {}


def test_what_failed_is_no_gap_and_is_not_taken_over() -> None:
    with ResultsDatabase("sqlite://") as database:
        database.begin(SOURCE)
        database.append([evaluation(0), evaluation(1, failure="out of memory"), evaluation(2)])
        sources = find_sources(database, replace(SOURCE, run="new"), METRICS)
        assert sources == {"source": 2}
        assert read_sources(database, SPACE, sources, METRICS).values["accuracy"].tolist() == [0.0, 2.0]


def test_candidates_of_another_space_are_left_out() -> None:
    other = JointSpace(create_space("mobilenet_v3_digits", 1, 10))
    with ResultsDatabase("sqlite://") as database:
        database.begin(SOURCE)
        database.append([evaluation(0)])
        assert len(read_sources(database, other, {"source": 1}, METRICS)) == 0
