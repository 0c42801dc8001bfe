"""Ray Tune runs the trials that a searcher asks for, stops the hopeless, and goes on from a saved story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hardware.analytic import network_cost
from nas.objectives import Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.searchers.multi_fidelity import MultiFidelity
from nas.search.searchers.nsga2 import NSGA2
from nas.search.searchers.random_search import RandomSearch
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

pytest.importorskip("ray.tune")
SPACE = JointSpace(create_space("resnet_digits", 1, 10))
MACS = network_cost(SPACE, "macs")
PROBLEM = SearchProblem(SPACE, (Objective(METRICS["macs"], lambda population: MACS(population.genes)),))


def test_trials_are_what_the_searcher_asks_for(ray_cluster: str, tmp_path: Path) -> None:
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    from nas.search.runner.tune_adapter import SearcherInTune, read_candidate

    def train(config: dict[str, Any]) -> None:
        candidate = read_candidate(config)
        cost = float(MACS(SPACE.encode([candidate]).genes)[0])
        for epoch in range(1, 5):
            tune.report({"macs": cost, "loss": cost / epoch})

    tuned = tune.Tuner(
        train,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            search_alg=SearcherInTune(RandomSearch(), PROBLEM, 0),
            scheduler=ASHAScheduler(max_t=4, grace_period=1, reduction_factor=2),
            num_samples=8,
            max_concurrent_trials=2,
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
    ).fit()
    asked = {SPACE.encode([read_candidate(result.config)])[0].key for result in tuned}
    made = RandomSearch().create(PROBLEM, 0)
    assert asked == {made.ask(1)[0].key for _ in range(8)}
    assert {result.metrics["training_iteration"] for result in tuned} - {4}  # some were stopped early


def test_a_searcher_of_several_fidelities_is_refused() -> None:
    from nas.search.runner.tune_adapter import SearcherInTune

    with pytest.raises(ValueError, match="asks for others; use linas"):
        SearcherInTune(MultiFidelity(), PROBLEM, 0)


def test_a_restored_search_goes_on_where_it_was(tmp_path: Path) -> None:
    from nas.search.runner.tune_adapter import SearcherInTune, read_candidate

    def turn(one: SearcherInTune, number: int) -> str:
        config = one.suggest(f"trial{number}")
        assert isinstance(config, dict)
        candidate = read_candidate(config)
        if number % 7 == 1:
            one.on_trial_complete(f"trial{number}", {"macs": float("nan")})
        elif number % 7:
            one.on_trial_complete(f"trial{number}", {"macs": float(MACS(SPACE.encode([candidate]).genes)[0])})
        else:
            one.on_trial_complete(f"trial{number}", error=True)
        return candidate.key

    first, again = (SearcherInTune(NSGA2(), PROBLEM, 0) for _ in range(2))
    for number in range(40):
        turn(first, number)
    first.save(str(tmp_path / "story.json"))
    again.restore(str(tmp_path / "story.json"))
    assert [turn(again, number) for number in range(40, 60)] == [turn(first, number) for number in range(40, 60)]
