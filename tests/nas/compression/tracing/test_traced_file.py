"""A stored network is read without the code that made it, and computes the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from fuzzer import find_refusal
from mutations import mutate_bytes, mutate_json
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import load_traced, save_traced
from nas.tensor_files import read_tensors, save_tensors

FIXTURES = Path(__file__).parents[3] / "fixtures" / "traced_network"


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tied = nn.Linear(4, 4)
    net, rows = nn.Sequential(tied, nn.ReLU(), tied, nn.LayerNorm(4)), torch.randn(3, 4)
    traced = trace(net, [rows])
    save_traced(tmp_path / "net.safetensors", traced)
    again = load_traced(tmp_path / "net.safetensors")
    assert again.graph == traced.graph
    assert again.digest() == traced.digest()
    assert torch.equal(again.network()(rows), traced.network()(rows))
    assert [p.requires_grad for p in again.parameters.values()] == [p.requires_grad for p in traced.parameters.values()]
    with torch.no_grad():
        tied.weight[0, 0] += 1  # the traced network shares its tensors with the module, the file does not
    assert traced.digest() != again.digest()


@pytest.mark.parametrize("version", [1, 2])
def test_files_of_every_version_compute_what_they_did(version: int) -> None:
    """They hold a padding, a batch norm, a layer that is called twice, an attention and an opaque operation."""
    traced = load_traced(FIXTURES / f"network-{version}.safetensors")
    answers = load_file(FIXTURES / "network-1-answers.safetensors")
    assert traced.opaque == {"aten.cumsum.default": 1}
    assert sum(len(layer.units) for layer in traced.graph.layers) == 1 + len(traced.graph.layers)
    torch.testing.assert_close(traced.network()(answers["images"]), answers["logits"], rtol=1e-4, atol=1e-5)


def test_a_file_of_a_later_version_is_refused_in_one_line(tmp_path: Path) -> None:
    later = tmp_path / "later"
    save_file({"a": torch.zeros(1)}, later, {"nas": json.dumps({"format": "nas-network-3", "graph": "{}"})})
    with pytest.raises(
        ValueError,
        match=r"in format nas-network-1 or nas-network-2, got .*nas-network-3.*; delete it, then: nas train JOB$",
    ):
        load_traced(later)


def test_refuses_damaged_and_foreign_files(tmp_path: Path) -> None:
    broken, foreign = tmp_path / "broken", tmp_path / "foreign"
    broken.write_bytes(b"nonsense")
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(ValueError, match="cannot read the network"):
        load_traced(broken)
    with pytest.raises(ValueError, match=r"a network in format nas-network-1 or nas-network-2, got a header of \{\}"):
        load_traced(foreign)
    traced = trace(nn.Linear(4, 4), [torch.randn(2, 4)])
    header = {"format": "nas-network-1", "graph": traced.graph.to_json(), "trained": ["weight"]}
    for tensors, words in (
        ({"weight": torch.zeros(4, 3), "bias": torch.zeros(4)}, "the tensors of its graph"),
        ({"weight": torch.zeros(4, 4)}, "the tensors of its graph"),
    ):
        save_file(tensors, foreign, {"nas": json.dumps(header)})
        with pytest.raises(ValueError, match=words):
            load_traced(foreign)
    for damaged in ("[]", json.dumps({"format": "nas-network-1"})):
        save_file({"a": torch.zeros(1)}, foreign, {"nas": damaged})
        with pytest.raises(ValueError, match=r"must be a network in format|its graph must be a text"):
            load_traced(foreign)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"graph": "{}"}, "not the JSON of a network graph"),
        ({"graph": "[" * 100_000}, "delete it"),
        ({"graph": 3}, "its graph must be a text, got int"),
        ({"trained": 3}, "must name its trained tensors, of floating point; got 3"),
        ({"trained": ["nothing"]}, "must name its trained tensors"),
        ({"trained": [["nothing"]]}, "must name its trained tensors"),
    ],
)
def test_a_header_of_another_type_or_depth_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    stored = read_tensors(FIXTURES / "network-2.safetensors", "network", "")
    save_tensors(tmp_path / "net", stored.tensors, stored.header | change)
    with pytest.raises(ValueError, match=words) as caught:
        load_traced(tmp_path / "net")
    assert str(caught.value).isprintable()


def test_numbers_are_finite_but_for_those_of_a_constant(tmp_path: Path) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)
            self.register_buffer("mask", torch.tensor([0.0, -torch.inf, 0.0]))

        def forward(self, rows: Tensor) -> Tensor:
            return torch.softmax(self.linear(rows) + self.mask, 1)

    traced = trace(Masked(), [torch.randn(2, 3)])
    save_traced(tmp_path / "net", traced)
    assert load_traced(tmp_path / "net").digest() == traced.digest()
    for name, value in (("linear.bias", torch.inf), ("linear.weight", torch.nan), ("mask", torch.nan)):
        tensors = {key: tensor.detach().clone() for key, tensor in traced.parameters.items()}
        tensors[name].view(-1)[0] = value
        save_traced(tmp_path / "net", replace(traced, parameters=tensors))
        with pytest.raises(ValueError, match=f"weights must be finite numbers, got others in {name}"):
            load_traced(tmp_path / "net")


def test_whatever_is_damaged_is_found_or_refused_in_one_line(tmp_path: Path) -> None:
    content, rng = (FIXTURES / "network-2.safetensors").read_bytes(), Random(0)
    digest, path, taken = load_traced(FIXTURES / "network-2.safetensors").digest(), tmp_path / "net", 0

    def read() -> None:
        assert load_traced(path).digest() == digest

    for _ in range(150):
        path.write_bytes(mutate_bytes(content, rng))
        taken += find_refusal(read) is None
    assert taken < 15  # what changes nothing
    stored = read_tensors(FIXTURES / "network-2.safetensors", "network", "")
    header = {**stored.header, "graph": json.loads(stored.header["graph"])}
    for _ in range(150):
        changed = mutate_json(header, rng)
        if isinstance(changed, dict) and isinstance(changed.get("graph"), dict):
            changed["graph"] = json.dumps(changed["graph"])
        save_tensors(path, stored.tensors, changed if isinstance(changed, dict) else {})
        find_refusal(lambda: load_traced(path))
