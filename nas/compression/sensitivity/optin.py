"""Damage along the way to the outputs: how the relations between tokens change in every layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.compression.sensitivity.policy_runs import PolicyRuns
from nas.compression.sensitivity.sensitivity_metric import PolicyDamage, PolicywiseMetric
from nas.compression.sensitivity.written_values import Written, find_written
from nas.compression.subject import CompressionSubject
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

_TEMPERATURE = 4.0  # of the logits that are compared, as in the authors' code
_BALANCE = 10.0  # features over logits, as there
_REFERENCE = LayerPolicy.quantized(4)  # of all layers: the policy under which both are balanced


@dataclass(frozen=True)
class Optin(PolicywiseMetric):
    """OPTIN of Khaki, Plataniotis, "The Need for Speed: Pruning Transformers with One Recipe", ICLR 2024.

    For each layer that comes behind, the squared distance of two Gram matrices: those of the normalised features of
    sampled tokens, in the trained and in the compressed network. Added is T^2 times the divergence of the logits at
    temperature T (the squared error of outputs that are no logits), times a power of ten that makes it about a tenth of
    the features. The authors mask a head or a neuron; here a layer is compressed, and the power of ten is that of all
    weights at 4 bits. A policy of several layers counts from behind the first.

    Attributes:
        inputs: Number of inputs that are used, the first of the data.
        tokens: Number of tokens, or of positions of an image, that are compared in each layer; batches share it.
        seed: Draws the tokens, which are the same for all policies.
    """

    inputs: int = 64
    tokens: int = 768
    seed: int = 0

    def measure_policies(self, subject: CompressionSubject) -> PolicyDamage:
        """What measures the distance by a policy.

        Args:
            subject: What is compressed; it has data.
        """
        return _Trajectory(replace(subject, data=subject.need_data().take(self.inputs)), self.tokens, self.seed)


class _Trajectory:
    """Compares the ways of two networks to their outputs.

    Args:
        subject: What is compressed; it has data.
        tokens: Number of tokens that are compared in each layer; batches share it.
        seed: Draws them.
    """

    def __init__(self, subject: CompressionSubject, tokens: int, seed: int) -> None:
        self._subject, self._seed = subject, seed
        self._tokens = math.ceil(tokens * min(subject.need_data().batch / len(subject.need_data()), 1.0))
        self._written = find_written(subject.traced.graph)
        self._runs = PolicyRuns(subject, {one.name: partial(self._relate, one) for one in self._written})

    @torch.no_grad()
    def __call__(self, policy: CompressionPolicy) -> float:
        features, logits = self._compare(policy)
        return features + self._factor * logits

    @cached_property
    def _factor(self) -> float:
        """The power of ten that balances features and logits."""
        layers = len(self._subject.traced.graph.layers)
        features, logits = self._compare(CompressionPolicy((_REFERENCE,) * layers))
        if not (features > 0 and logits > 0):
            return 1.0
        return float(10.0 ** round(math.log10(features / (_BALANCE * logits))))

    def _compare(self, policy: CompressionPolicy) -> tuple[float, float]:
        """The squared distance of all Gram matrices, and that of the logits; means over batches."""
        features = logits = 0.0
        samples = len(self._subject.need_data())
        compressed = [layer for layer, one in enumerate(policy.layers) if one != LayerPolicy()]
        behind = [one.name for one in self._written if one.layer > min(compressed, default=0)]
        for run, as_trained in zip(self._runs.run(policy), self._runs.trained, strict=True):
            share = len(run.outputs) / samples
            for name in (name for name in behind if name in run.values):  # in order, as sums are rounded
                features += share * float((run.values[name] - as_trained.values[name]).square().sum())
            logits += share * self._compare_outputs(run.outputs.double(), as_trained.outputs.double())
        return features, logits

    def _relate(self, one: Written, value: Tensor) -> Tensor:
        """The cosines between sampled tokens of what a layer writes, shape (tokens, tokens)."""
        rows = one.as_rows(value)
        if len(rows) > self._tokens:
            generator = torch.Generator().manual_seed(self._seed)
            rows = rows[torch.randperm(len(rows), generator=generator)[: self._tokens]]
        rows = F.normalize(rows.double(), dim=-1)
        return (rows @ rows.T).float()

    def _compare_outputs(self, outputs: Tensor, expected: Tensor) -> float:
        task = self._subject.task
        logits = [None if task is None else task.view_as_logits(one) for one in (outputs, expected)]
        if logits[0] is None or logits[1] is None:
            return float((outputs - expected).square().mean())
        ours, theirs = ((one / _TEMPERATURE).log_softmax(-1) for one in logits if one is not None)
        divergence = F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        return _TEMPERATURE**2 * max(float(divergence), 0.0)
