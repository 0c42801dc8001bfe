"""The curvature of the loss by the outputs of a network, as a factor by which random vectors are multiplied."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.tasks.task import Task


@dataclass(frozen=True)
class OutputCurvature:
    """The Hessian H of the divergence from the network's own predictions by its outputs, as H = L L' for each sample.

    For outputs that stand for probabilities p the divergence is that of Kullback and Leibler, and H = diag(p) - p p',
    which is also the Hessian of the cross-entropy, whatever the labels are. For others it is the mean squared error. It
    serves where half of d' H d is the degradation of outputs that are d away, to second order.

    Attributes:
        task: Says what the outputs mean; None takes them for numbers.
    """

    task: Task | None

    def probe_shape(self, outputs: Tensor) -> tuple[int, ...]:
        """The shape of what `spread` takes for outputs of shape (batch, ...): (rows, classes), or that of the outputs.

        A row is a sample, or one of several distributions of a sample.
        """
        return tuple(outputs.shape if (logits := self._logits(outputs)) is None else logits.shape)

    def spread(self, outputs: Tensor, probe: Tensor) -> Tensor:
        """L times a probe, shape (batch, ...); its covariance is H if that of the probe is the identity.

        Args:
            outputs: Outputs of the network, shape (batch, ...).
            probe: Shape `probe_shape(outputs)`.
        """
        leaf = outputs.detach().requires_grad_()
        with torch.enable_grad():
            logits = self._logits(leaf)
        if logits is None:
            return probe * (2 / outputs[0].numel()) ** 0.5
        p = logits.detach().softmax(-1)
        root = p.sqrt()
        factor = root * probe - p * (root * probe).sum(-1, keepdim=True)
        (found,) = torch.autograd.grad(logits, leaf, factor * (len(outputs) / len(logits)) ** 0.5)
        return found

    def _logits(self, outputs: Tensor) -> Tensor | None:
        return None if self.task is None else self.task.view_as_logits(outputs)
