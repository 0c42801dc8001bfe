"""Of a uniform policy that is kept which does best, with or without repair, on inputs to which nothing is fitted."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.equalization.cross_layer import CrossLayerEqualization
from nas.compression.integer_biases import round_biases
from nas.compression.repair.batch_norm import BatchNormReestimation
from nas.compression.repair.bias_correction import BiasCorrection
from nas.compression.repair.bias_tuning import BiasTuning
from nas.compression.repair.layer_fitter import LayerFitter
from nas.compression.repair.recipe import LIGHT, Recipe
from nas.compression.repair.references import record_references
from nas.compression.repair.repair import Repair, output_distance, outputs_on
from nas.compression.repair.repair_network import Repairer, repair_network
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork, trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

STEPS = (None, BiasCorrection(), BatchNormReestimation(), BiasTuning())
FIT, BIAS = 0, 2  # places among the variants of `LIGHT`


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    body = [nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64, bias=False), nn.ReLU()]
    return trace(nn.Sequential(*body, nn.Linear(64, 10)).eval(), [torch.zeros(2, 64)])


def calibrated_by(traced: TracedNetwork, count: int) -> CompressionSubject:
    inputs = torch.randn(count, 64, generator=torch.Generator().manual_seed(1))
    return CompressionSubject.uniform_choices(traced, [LayerPolicy()], CalibrationData(inputs, batch=32))


def round_and_step(subject: CompressionSubject, policy: CompressionPolicy, step: Repair | None) -> GraphNetwork:
    network = subject.compress(policy)
    calibrate(network, subject.need_data())
    if step is not None:
        step.repair(network, subject)
    return network


def make_all(subject: CompressionSubject, policy: CompressionPolicy, recipe: Recipe) -> list[GraphNetwork]:
    """By hand: as the recipe does it, without its repairs, and by every single step, equalised or not."""
    steps = STEPS[: 3 + len(recipe.repairs)]
    subjects = [subject]
    if recipe.equalization is not None:
        subjects.append(replace(subject, traced=recipe.equalization.equalize(subject)))
    fitted = [Repairer(subject, recipe).fit(policy)]
    fitted += [Repairer(subject, replace(recipe, repairs=())).fit(policy)] if recipe.repairs else []
    return [*fitted, *(round_and_step(one, policy, step) for one in subjects for step in steps)]


@pytest.mark.parametrize(
    ("text", "count", "recipe", "best"),
    [
        ("w3a8", 400, LIGHT, FIT),
        ("w4a8", 32, LIGHT, BIAS),  # fewer inputs than a layer has features: what is fitted to them misleads
        ("w8a8", 400, LIGHT, None),
        ("w4a8-sparse0.5", 400, Recipe(repairs=(BiasTuning(),)), None),
        ("w4a8-rank0.5", 32, Recipe(equalization=CrossLayerEqualization()), None),
    ],
)
def test_no_single_step_of_repair_and_none_at_all_does_better(
    traced: TracedNetwork, text: str, count: int, recipe: Recipe, best: int | None
) -> None:
    subject, policy = calibrated_by(traced, count), CompressionPolicy((LayerPolicy.parse(text),) * 3)
    dealt = subject.need_data().deal(recipe.judge_every)
    assert dealt is not None
    expected = outputs_on(traced.network(), dealt[1])
    judged = [
        float(output_distance(expected, outputs_on(one, dealt[1]), None))
        for one in make_all(replace(subject, data=dealt[0]), policy, recipe)
    ]
    if best is not None:
        assert judged.index(min(judged)) == best, judged
    kept = make_all(subject, policy, recipe)[judged.index(min(judged))]
    round_biases(kept)
    inputs = subject.need_data().inputs
    with torch.no_grad():
        assert torch.equal(repair_network(subject, policy, recipe)(inputs), kept(inputs))


def test_other_policies_are_made_by_the_whole_recipe(traced: TracedNetwork) -> None:
    subject = calibrated_by(traced, 32)
    inputs = subject.need_data().inputs
    for texts in (["w4a8", "w4a8", "w3a8"], ["w32a32"] * 3):
        policy = CompressionPolicy(tuple(map(LayerPolicy.parse, texts)))
        fitted = Repairer(subject).fit(policy)
        round_biases(fitted)
        assert torch.equal(Repairer(subject).repair(policy)(inputs), fitted(inputs))


@pytest.mark.parametrize("count", [1, 3])
def test_with_too_few_inputs_to_judge_the_whole_recipe_is_taken(traced: TracedNetwork, count: int) -> None:
    subject, policy = calibrated_by(traced, count), CompressionPolicy((LayerPolicy.parse("w4a8"),) * 3)
    inputs = torch.randn(8, 64, generator=torch.Generator().manual_seed(2))
    fitted = Repairer(subject).fit(policy)
    round_biases(fitted)
    assert torch.equal(repair_network(subject, policy)(inputs), fitted(inputs))


def test_what_judges_is_made_once_and_each_policy_is_fitted_once_to_be_judged(
    traced: TracedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, fit = Mock(wraps=record_references), Mock(wraps=LayerFitter)
    monkeypatch.setattr("nas.compression.repair.repair_network.record_references", record)
    monkeypatch.setattr("nas.compression.repair.repair_network.LayerFitter", fit)
    repairer = Repairer(calibrated_by(traced, 32), Recipe(repairs=(BiasTuning(),)))
    for count, text in enumerate(["w8a8", "w4a8"], start=1):
        repairer.repair(CompressionPolicy((LayerPolicy.parse(text),) * 3))
        assert record.call_count == 2
        assert fit.call_count <= 2 * count  # once of the inputs that do not judge, and perhaps once of all
