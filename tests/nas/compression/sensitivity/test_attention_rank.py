"""Maps of attentions that are known, and the layers that they are told of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.attention_rank import AttentionRank
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy


class Block(nn.Module):
    """Attention of two heads, fused or written out, and a perceptron."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8, bias=False) for _ in range(4))
        self.mix, self.fused = nn.Linear(8, 8), fused

    def forward(self, tokens: Tensor) -> Tensor:
        layers = (self.query, self.key, self.value)
        query, key, value = (layer(tokens).unflatten(-1, (2, 4)).transpose(1, 2) for layer in layers)
        if self.fused:
            found = F.scaled_dot_product_attention(query, key, value)
        else:
            found = (query @ key.mT / 2).softmax(-1) @ value
        tokens = tokens + self.out(found.transpose(1, 2).flatten(2))
        return tokens + self.mix(tokens)


def make_subject(module: nn.Module) -> CompressionSubject:
    traced = trace(module, [torch.zeros(2, 5, 8)])
    tokens = torch.randn(6, 5, 2, 4, generator=torch.Generator().manual_seed(1))
    data = CalibrationData(F.normalize(tokens, dim=-1).flatten(2), batch=4)  # each is nearest to itself in both heads
    return CompressionSubject.uniform_choices(traced, [LayerPolicy.quantized(4)], data)


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "written out"])
def test_the_projections_of_an_attention_have_the_rank_of_its_map(fused: bool) -> None:
    torch.manual_seed(0)
    subject = make_subject(Block(fused))
    names = [layer.name for layer in subject.traced.graph.layers]
    score = dict(zip(names, AttentionRank().score(subject), strict=True))
    assert np.isnan(score.pop("mix"))
    assert len({*score.values()}) == 1
    assert 1.0 < score["out"] < 5.0
    weights = dict(zip(names, subject.weights, strict=True))
    for one in ("query", "key"):
        weights[one].copy_(torch.eye(8) * 300)  # each token sees itself
    assert AttentionRank().score(subject)[names.index("value")] == pytest.approx(5.0, rel=1e-3)
    weights["query"].zero_()  # each token sees all alike
    assert AttentionRank().score(subject)[names.index("value")] == pytest.approx(1.0, rel=1e-6)
    damage = dict(zip(names, AttentionRank().damage(subject), strict=True))
    assert damage["mix"][0] > max(damage[one][0] for one in score)


def test_both_forms_agree() -> None:
    found = []
    for fused in (True, False):
        torch.manual_seed(0)
        found.append(AttentionRank().score(make_subject(Block(fused))))
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_a_network_without_attention_is_refused(residual: CompressionSubject) -> None:
    with pytest.raises(ValueError, match="orders attentions, and the network has none"):
        AttentionRank().damage(replace(residual))
