"""Runs over shared beginnings compute what whole compressed networks do, whatever was run before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nas.compression.compress import calibrate
from nas.compression.sensitivity.policy_runs import PolicyRuns, compress_alone, join_outputs
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

POLICIES = [LayerPolicy.parse(text) for text in ("w3a4", "w3a32", "w32a4")]
ALONE = [compress_alone(3, layer, policy) for layer in (0, 1, 2) for policy in POLICIES]
WHOLE = [CompressionPolicy((LayerPolicy(),) * 3), CompressionPolicy((POLICIES[0],) * 3)]


def run_compressed(subject: CompressionSubject, policy: CompressionPolicy) -> Tensor:
    network = compress(subject.traced, policy)
    calibrate(network, subject.need_data(), subject.methods.observer)
    with torch.no_grad():
        outputs: Tensor = network(subject.need_data().inputs)
    return outputs


@pytest.mark.parametrize("most_kept", [0, 2000, 2**20])
def test_runs_compute_what_compressed_networks_do(residual: CompressionSubject, most_kept: int) -> None:
    runs, found = PolicyRuns(replace(residual, kept_bytes=most_kept)), {}
    for policy in ALONE + WHOLE + ALONE[::-1]:
        outputs = torch.cat([one.outputs for one in runs.run(policy)])
        torch.testing.assert_close(outputs, run_compressed(residual, policy), rtol=1e-5, atol=1e-6)
        assert torch.equal(found.setdefault(policy, outputs), outputs)  # to the last bit, so workers agree
    as_trained = torch.cat([one.outputs for one in runs.trained])
    assert torch.equal(as_trained, found[WHOLE[0]])


@pytest.mark.parametrize(("kept_bytes", "begins"), [(160, 0), (159, 3)])
def test_a_run_goes_on_from_what_was_kept_within_the_bound(
    kept_bytes: int, begins: int, residual: CompressionSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resume(network: GraphNetwork, known: dict[str, Any], place: int, inputs: Tensor) -> Iterator[dict[str, Any]]:
        places.append(place)
        return original(network, known, place, inputs)

    places, original, runs = list[int](), GraphNetwork.resume, PolicyRuns(replace(residual, kept_bytes=kept_bytes))
    list(runs.run(ALONE[-2]))
    monkeypatch.setattr(GraphNetwork, "resume", resume)
    list(runs.run(ALONE[-2]))  # of the head, which reads 4 numbers of each of 10 samples in three batches
    assert places.count(0) == begins


def test_values_on_the_way_are_observed(residual: CompressionSubject) -> None:
    stem, _, head = (layer.units[0].call.name for layer in residual.traced.graph.layers)
    runs = PolicyRuns(residual, {stem: Tensor.sum, head: Tensor.square})
    (first, *_), trained = runs.run(ALONE[-2]), runs.trained[0]  # of the head alone, by its weight
    assert trained.values.keys() == {stem, head}
    assert first.values.keys() == {head}
    torch.testing.assert_close(first.values[head], first.outputs.square())
    assert not torch.equal(first.values[head], trained.values[head])


def test_several_outputs_are_one_tensor() -> None:
    first, second = torch.ones(2, 3), torch.zeros(2, 2, 2)
    assert join_outputs(first) is first
    assert join_outputs((first,)) is first
    assert join_outputs((first, second)).shape == (2, 7)
