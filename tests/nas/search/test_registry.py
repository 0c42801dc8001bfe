from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nas.objectives import Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod
from nas.search.registry import SEARCHERS, create_searcher, read_options
from nas.search.searchers.linas import Linas
from nas.search.searchers.multi_fidelity import MultiFidelity
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
OBJECTIVES = [Objective(METRICS[name], lambda population: np.zeros(len(population))) for name in ("macs", "bops")]


@pytest.mark.parametrize(
    ("name", "objectives", "message"),
    [
        ("evolution", 2, "'evolution' takes 1 objective only, got 2; use one of linas, random, nsga2, nsga3"),
        (
            "nsga3",
            1,
            "'nsga3' takes 2 or more objectives, got 1; use one of linas, random, evolution",
        ),
        ("linas", 0, "one or more objectives of distinct metrics, got"),
        ("few_shot", 2, "FewShot needs a supernet with leaves"),
    ],
)
def test_what_a_searcher_does_not_support_is_said(name: str, objectives: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_searcher(name, SearchProblem(SPACE, tuple(OBJECTIVES[:objectives])), 0)


@pytest.mark.parametrize("name", list(SEARCHERS))
def test_every_name_is_a_method_that_its_defaults_describe(name: str) -> None:
    method = SEARCHERS[name]
    assert issubclass(method, SearchMethod)
    assert read_options(name, {}) == method()


def test_options_are_fields_of_the_method() -> None:
    read = read_options("multi_fidelity", {"ratio": 4, "fidelity": 0.5})
    assert read == MultiFidelity(fidelity=0.5, ratio=4)
    assert read_options("linas", {"predictor": "ridge"}) == Linas(predictor="ridge")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nobody", {}, "unknown searcher 'nobody'; known searchers: linas"),
        ("linas", {"ratio": 8}, "searcher 'linas' has no option 'ratio'; its options: predictor, initial_design"),
        ("random", {"ratio": 8}, "searcher 'random' has no option 'ratio'; it has none"),
        (
            "multi_fidelity",
            {"ratio": 8.0},
            "option 'ratio' of searcher 'multi_fidelity': input should be a valid integ",
        ),
        ("multi_fidelity", {"ratio": "8"}, "valid integer, got '8'"),
        ("multi_fidelity", {"fidelity": 1.5}, "searcher 'multi_fidelity': fidelity must lie between 0 and 1, got 1.5"),
        ("linas", {"predictor": "forest"}, "searcher 'linas': unknown predictor 'forest'; known predictors: ensemble"),
    ],
)
def test_wrong_options_are_refused_in_one_line(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 the line is compared
        read_options(name, options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_are_known_without_the_libraries_of_the_searchers() -> None:
    loaded = "[name for name in ('pymoo', 'optuna', 'scipy', 'pydantic') if name in sys.modules]"
    script = f"import sys; from nas.search.registry import SEARCHERS; print(SEARCHERS.check_name('linas'), {loaded})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "linas []\n"
