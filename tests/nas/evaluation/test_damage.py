"""The damage that workers measure is that of what candidates are, in bounded memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import nas.evaluation.damage
from nas.compression.compress import calibrate
from nas.compression.equalization.cross_layer import CrossLayerEqualization
from nas.compression.methods import DEFAULT_METHODS, CompressionMethods
from nas.compression.repair.recipe import FULL, LIGHT, Recipe
from nas.compression.repair.repair import output_distance
from nas.compression.subject import KEPT_BYTES, CompressionSubject
from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import save_traced
from nas.evaluation.damage import DAMAGE, DamageMeasurement
from nas.evaluation.measurement import DataSource, ImageMeasurement
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace

EQUALIZED = replace(LIGHT, equalization=CrossLayerEqualization())


@pytest.fixture
def given(tmp_path: Path) -> ImageMeasurement:
    """A network with channels of very different scales, and 200 digits or fewer that calibrate."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(1, 8, 3, 2, 1), nn.Linear(128, 10)
    with torch.no_grad():
        first.weight *= torch.logspace(-2, 1, 8)[:, None, None, None]
    traced = trace(nn.Sequential(first, nn.ReLU(), nn.Flatten(), second).eval(), [torch.zeros(2, 1, 8, 8)])
    save_traced(tmp_path / "net.safetensors", traced)
    return ImageMeasurement(tmp_path / "net.safetensors", traced.space("small"), DataSource("digits", limit=200))


def make_candidate(given: ImageMeasurement) -> Candidate:
    like = JointSpace(given.space).largest()
    return replace(like, policy=CompressionPolicy((LayerPolicy.parse("w4a8"), LayerPolicy())))


@pytest.mark.parametrize("recipe", [LIGHT, FULL, EQUALIZED])
def test_repaired_damage_is_that_of_the_repaired_candidate(given: ImageMeasurement, recipe: Recipe) -> None:
    measurement = replace(given, methods=CompressionMethods(repair=recipe))
    candidate, data = make_candidate(given), given.data.load()
    found = DamageMeasurement(measurement, "repaired_divergence", 512)()(candidate, 1.0)[DAMAGE]
    realizer = measurement.realizer(data)
    inputs = realizer.calibration_data(512).inputs  # all that there are, which the metric takes, too
    assert len(inputs) <= 256
    with torch.no_grad():
        outputs = [one(inputs).double() for one in (realizer.source.network(), realizer.realize(candidate))]
    assert found == pytest.approx(float(output_distance(*outputs, data.task)), rel=1e-3)


def test_other_damage_is_that_of_the_equalised_network(given: ImageMeasurement) -> None:
    candidate = make_candidate(given)

    def measure(recipe: Recipe | None, fidelity: float) -> float:
        methods = replace(DEFAULT_METHODS, repair=recipe)
        return DamageMeasurement(replace(given, methods=methods), "output_distortion", 512)()(candidate, fidelity)[
            DAMAGE
        ]

    realizer = given.realizer(given.data.load())
    data = realizer.calibration_data(512)
    subject = CompressionSubject.uniform_choices(realizer.source, [LayerPolicy()], data)
    network = replace(subject, traced=CrossLayerEqualization().equalize(subject)).compress(candidate.policy)
    for fidelity, samples in ((1.0, len(data)), (0.25, 128)):
        part = data.take(samples)
        calibrate(network, part, DEFAULT_METHODS.observer)
        with torch.no_grad():
            expected = (network(part.inputs) - realizer.source.network()(part.inputs)).square().mean()
        assert measure(EQUALIZED, fidelity) == pytest.approx(float(expected), rel=1e-3)
    assert measure(EQUALIZED, 1.0) < measure(LIGHT, 1.0) == measure(None, 1.0)


def test_a_worker_keeps_the_activations_of_one_measurement_and_its_part_of_the_memory(
    given: ImageMeasurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Damage:
        def __call__(self, policy: CompressionPolicy) -> float:
            return 0.0

    def measure_by(metric: str, subject: CompressionSubject) -> Damage:
        made = Damage()
        found.append((subject.kept_bytes, len(subject.need_data()), weakref.ref(made)))
        return made

    found: list[tuple[int, int, Callable[[], Damage | None]]] = []
    monkeypatch.setattr(nas.evaluation.damage, "measure_by", measure_by)
    measure = DamageMeasurement(given, "output_distortion", 64, workers=4)()
    for fidelity in (1.0, 1.0, 0.25):
        measure(make_candidate(given), fidelity)
    assert [(kept, samples) for kept, samples, _ in found] == [(KEPT_BYTES // 4, 64), (KEPT_BYTES // 4, 16)]
    assert found[0][2]() is None
    assert found[1][2]() is not None
