"""A stored network is read without the code that made it, and computes the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import load_traced, save_traced

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


@pytest.mark.parametrize("version", [1])
def test_files_of_every_version_compute_what_they_did(version: int) -> None:
    """They hold a padding, a batch norm, a layer that is called twice, an attention and an opaque operation."""
    traced = load_traced(FIXTURES / f"network-{version}.safetensors")
    answers = load_file(FIXTURES / f"network-{version}-answers.safetensors")
    assert traced.opaque == {"aten.cumsum.default": 1}
    assert sum(len(layer.units) for layer in traced.graph.layers) == 1 + len(traced.graph.layers)
    torch.testing.assert_close(traced.network()(answers["images"]), answers["logits"], rtol=1e-4, atol=1e-5)


def test_a_file_of_a_later_version_is_refused_in_one_line(tmp_path: Path) -> None:
    later = tmp_path / "later"
    save_file({"a": torch.zeros(1)}, later, {"nas": json.dumps({"format": "nas-network-2", "graph": "{}"})})
    with pytest.raises(
        ValueError, match=r"in format nas-network-1, got .*nas-network-2.*; delete it, then: nas train JOB$"
    ):
        load_traced(later)


def test_refuses_damaged_and_foreign_files(tmp_path: Path) -> None:
    broken, foreign = tmp_path / "broken", tmp_path / "foreign"
    broken.write_bytes(b"nonsense")
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(ValueError, match="cannot read the network"):
        load_traced(broken)
    with pytest.raises(ValueError, match=r"must be a network in format nas-network-1, got a header of \{\}"):
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
        with pytest.raises(ValueError, match=r"must be a network in format|not the JSON of a network graph"):
            load_traced(foreign)
