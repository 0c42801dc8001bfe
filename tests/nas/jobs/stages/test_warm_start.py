"""A run that starts from others starts from the same of them whenever it goes on."""

from __future__ import annotations

import numpy as np

from nas.jobs.stages.warm_start import known_accuracies, sources_of
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))


def test_what_a_source_stores_later_is_not_mixed_in() -> None:
    genes = SPACE.sample(np.random.default_rng(0), 4)

    def evaluation(number: int) -> Evaluation:
        return Evaluation(genes[number], {"accuracy": float(number)}, "measured", "source", number, 0)

    record = RunRecord("new", {}, 0, subject="a supernet")
    with ResultsDatabase("sqlite://") as database:
        database.begin(RunRecord("source", {}, 0, subject="a supernet"))
        database.append([evaluation(number) for number in (3, 0, 1)])  # two workers; the third candidate takes long
        sources = sources_of(database, record)
        before = known_accuracies(database, SPACE, sources)
        database.append([evaluation(2)])
        after = known_accuracies(database, SPACE, sources)
        assert sources == {"source": 2}
        assert before.accuracy.tolist() == after.accuracy.tolist() == [0.0, 1.0]
        assert sources_of(database, record) == {"source": 4}
