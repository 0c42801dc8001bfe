"""Ray Tune runs the trials that a searcher asks for, stops the hopeless, and goes on from a saved story."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hardware.analytic import network_cost
from nas.objectives import Objective
from nas.search.registry import searcher
from nas.search.searcher import Searcher
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

pytest.importorskip("ray.tune")
SPACE = JointSpace(create_space("resnet_digits", 1, 10))
MACS = network_cost(SPACE, "macs")
OBJECTIVES = [Objective(METRICS["macs"], lambda population: MACS(population.genes))]


def make(name: str = "nsga2") -> Searcher:
    return searcher(name, SPACE, OBJECTIVES, 0)


def test_trials_are_what_the_searcher_asks_for(ray_cluster: str, tmp_path: Path) -> None:
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    from nas.search.tune_adapter import SearcherInTune, candidate_of

    def train(config: dict[str, Any]) -> None:
        candidate = candidate_of(config)
        cost = float(MACS(SPACE.encode([candidate]).genes)[0])
        for epoch in range(1, 5):
            tune.report({"macs": cost, "loss": cost / epoch})

    tuned = tune.Tuner(
        train,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            search_alg=SearcherInTune(partial(make, "random"), OBJECTIVES),
            scheduler=ASHAScheduler(max_t=4, grace_period=1, reduction_factor=2),
            num_samples=8,
            max_concurrent_trials=2,
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
    ).fit()
    asked = {SPACE.encode([candidate_of(result.config)])[0].key for result in tuned}
    made = make("random")
    assert asked == {made.ask(1)[0].key for _ in range(8)}
    assert {result.metrics["training_iteration"] for result in tuned} - {4}  # some were stopped early


def test_a_searcher_that_would_learn_nothing_is_refused() -> None:
    from nas.search.tune_adapter import SearcherInTune

    with pytest.raises(ValueError, match="learns nothing from the trials of Ray Tune; use linas"):
        SearcherInTune(lambda: make("screened"), OBJECTIVES)


def test_a_restored_search_goes_on_where_it_was(tmp_path: Path) -> None:
    from nas.search.tune_adapter import SearcherInTune, candidate_of

    def turn(one: SearcherInTune, number: int) -> str:
        config = one.suggest(f"trial{number}")
        assert isinstance(config, dict)
        candidate = candidate_of(config)
        if number % 7:
            one.on_trial_complete(f"trial{number}", {"macs": float(MACS(SPACE.encode([candidate]).genes)[0])})
        else:
            one.on_trial_complete(f"trial{number}", error=True)
        return candidate.key

    first, again = SearcherInTune(make, OBJECTIVES), SearcherInTune(make, OBJECTIVES)
    for number in range(40):
        turn(first, number)
    first.save(str(tmp_path / "story.json"))
    again.restore(str(tmp_path / "story.json"))
    assert [turn(again, number) for number in range(40, 60)] == [turn(first, number) for number in range(40, 60)]
