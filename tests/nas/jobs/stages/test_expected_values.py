"""What measured candidates promise on new images."""

from __future__ import annotations

import numpy as np
import pytest

from nas.jobs.stages.expected_values import ExpectedValues, combine_columns, expect_values, judge_as_expected
from nas.jobs.stages.measurements import Measurements
from nas.objectives import FloatArray, Objective
from nas.tasks.metrics.accuracy import Accuracy
from nas.tasks.metrics.worst_class_accuracy import WorstClassAccuracy
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space

IMAGES = 300


def measurements(population: Population, accuracy: FloatArray) -> Measurements:
    return Measurements(population, {"accuracy": accuracy})


def expect(measured: Measurements, images: int = IMAGES) -> ExpectedValues:
    return expect_values(measured, Accuracy(), images)


@pytest.fixture(scope="module")
def population() -> Population:
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10))
    return space.sample(np.random.default_rng(0), 120).unique()


@pytest.fixture(scope="module")
def truth(population: Population) -> FloatArray:
    """Accuracies that grow with the sizes of candidates, from about 85 to 98 %."""
    size = population.size_features().sum(axis=1)
    return 85.0 + 13.0 * (size - size.min()) / np.ptp(size)


def scores(truth: FloatArray, seed: int) -> FloatArray:
    return 100.0 * np.random.default_rng(seed).binomial(IMAGES, truth / 100.0) / IMAGES


def test_the_luckiest_score_is_not_the_most_accurate(population: Population, truth: FloatArray) -> None:
    measured = scores(truth, seed=0)
    lucky = int(np.argsort(truth)[len(truth) // 2])
    measured[lucky] = 99.9
    expected = expect(measurements(population, measured))
    assert measured.argmax() == lucky
    assert expected.mean.argmax() != lucky
    assert expected.mean[lucky] < 97.0
    assert truth[expected.mean.argmax()] > truth[lucky] + 2.0


def test_the_best_of_many_promises_no_more_than_it_holds(population: Population, truth: FloatArray) -> None:
    raw, promised = [], []
    for seed in range(20):
        measured = scores(truth, seed)
        expected = expect(measurements(population, measured))
        raw.append(measured.max() - truth[measured.argmax()])
        promised.append(expected.mean.max() - truth[expected.mean.argmax()])
    assert np.mean(raw) > 0.9
    assert abs(np.mean(promised)) < 0.7


def test_what_all_candidates_share_stays_in_the_interval(population: Population, truth: FloatArray) -> None:
    expected = expect(measurements(population, scores(truth, seed=1)))
    share = expected.mean / 100.0
    assert (expected.std >= 99.0 * np.sqrt(share * (1.0 - share) / IMAGES)).all()
    more = expect(measurements(population, scores(truth, seed=1)), 100 * IMAGES)
    assert more.std.mean() < expected.std.mean()


def test_means_are_percentages_even_of_perfect_scores(population: Population) -> None:
    expected = expect(measurements(population, np.full(len(population), 100.0)))
    assert (expected.mean <= 100.0).all()
    assert (expected.std > 0.0).all()


def test_a_candidate_that_is_named_twice_counts_once(population: Population, truth: FloatArray) -> None:
    known = measurements(population, scores(truth, seed=2))
    once, twice = (expect(one) for one in (known, known.joined(known.take(np.arange(5)))))
    assert np.array_equal(twice.mean, np.concatenate([once.mean, once.mean[:5]]))
    assert np.array_equal(twice.std, np.concatenate([once.std, once.std[:5]]))


@pytest.mark.parametrize("count", [1, 5])
def test_few_candidates_are_expected_to_be_what_they_were_measured(population: Population, count: int) -> None:
    measured = np.full(count, 95.0)
    expected = expect(measurements(population.take(slice(0, count)), measured))
    assert expected.mean.tolist() == measured.tolist()
    assert expected.std == pytest.approx(np.sqrt(2 * 95.0 * 5.0 / IMAGES), rel=0.05)  # own luck, and shared luck


def test_of_a_metric_whose_sampling_error_is_unknown_the_measured_value_is_expected(population: Population) -> None:
    worst = np.linspace(50.0, 90.0, len(population))
    expected = expect_values(Measurements(population, {"worst_class_accuracy": worst}), WorstClassAccuracy(), IMAGES)
    assert expected.mean.tolist() == worst.tolist()
    assert np.isnan(expected.std).all()


def test_values_that_are_known_are_not_evaluated(population: Population) -> None:
    def never(_: Population) -> FloatArray:
        raise AssertionError("it is known")

    def lengths(some: Population) -> FloatArray:
        return np.full(len(some), float(len(some)))

    objectives = [Objective(METRICS["accuracy"], never), Objective(METRICS["macs"], lengths, exact=True)]
    three = population.take(slice(0, 3))
    found = combine_columns(objectives, three, {"accuracy": np.array([90.0, 91.0, 92.0])})
    assert found.tolist() == [[90.0, 3.0], [91.0, 3.0], [92.0, 3.0]]


def judge(policies: list[str], share: str = "98 % of given", mean: float = 85.0) -> float | None:
    """The limit as a share of what the largest network is expected to have; it was one of 88.2 of what was measured."""
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(policies))
    population = space.encode([space.smallest(), space.largest()])
    limits = {"accuracy": share}
    objective = Objective(METRICS["accuracy"], lambda some: np.zeros(len(some)), 88.2)
    expected = {"accuracy": ExpectedValues(np.array([70.0, mean]), np.ones(2))}
    (judged,) = judge_as_expected(limits, (objective,), population, expected, {"accuracy": 90.0})
    return judged.limit


def test_expected_values_are_held_against_that_of_the_given_network_where_it_is_known() -> None:
    assert judge(["w32a32", "w8a8"]) == pytest.approx(0.98 * 85.0)
    assert judge(["w8a8", "w4a8"]) == 88.2


def test_where_the_expected_value_gives_no_limit_the_measured_one_stays() -> None:
    """A share of 0 or less is of nothing, and no accuracy is above 100."""
    for mean, share in ((0.0, "98 % of given"), (99.5, "101 % of given")):
        assert judge(["w32a32", "w8a8"], share, mean) == 88.2
