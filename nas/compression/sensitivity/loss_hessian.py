"""Products with the Hessian of the loss by the weights of layers, and by the values that layers round."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor

from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from nas.tasks.task import Task
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.operators.operator import Operator

Part = tuple[int, int]  # index of a layer; 0 for its weight, from 1 for the sites of `TappedNetwork`
Vectors = Mapping[Part, Tensor]


class BatchHessian:
    """The Hessian of the loss of one batch; its graph is kept as long as this lives.

    Args:
        network: A trainable network after a forward pass.
        loss: Its loss, a scalar.
    """

    def __init__(self, network: TappedNetwork, loss: Tensor) -> None:
        layers = network.graph.layers
        self._operators: list[Operator] = [layer.operator for layer in layers]
        self._variables = {
            (layer, part): tensors
            for layer in range(len(layers))
            for part, tensors in enumerate(network.variables(layer))
        }
        self._gradients = self._differentiate(loss, [*self._variables], create_graph=True)

    def multiply(self, vectors: Vectors, wanted: Collection[Part]) -> dict[Part, Tensor]:
        """The wanted parts of H v, each of the shape of its weight, (out, ...), or of its value, (batch, ...).

        Args:
            vectors: The parts of v that are not zero, in the same shapes.
            wanted: The parts that are computed.
        """
        product = torch.stack([(self._gradients[part] * vector).sum() for part, vector in vectors.items()]).sum()
        if not product.requires_grad:  # the loss is linear in these parts
            return {part: torch.zeros_like(self._gradients[part]) for part in wanted}
        return {part: found.detach() for part, found in self._differentiate(product, wanted).items()}

    @property
    def shapes(self) -> dict[Part, torch.Size]:
        """The shapes of all parts."""
        return {part: gradient.shape for part, gradient in self._gradients.items()}

    def _differentiate(self, value: Tensor, parts: Collection[Part], create_graph: bool = False) -> dict[Part, Tensor]:
        flat = [tensor for part in parts for tensor in self._variables[part]]
        found = iter(
            torch.autograd.grad(value, flat, retain_graph=True, create_graph=create_graph, materialize_grads=True)
        )
        sums = {}
        for part in parts:
            gradients = [next(found) for _ in self._variables[part]]
            total = gradients[0] if len(gradients) == 1 else torch.stack(gradients).sum(0)
            sums[part] = total if part[1] else to_output_first(total, self._operators[part[0]])
        return sums


class LossHessian:
    """The Hessian of the mean loss over all data: the loss of the task or, without labels, that of `own_loss`.

    Args:
        subject: What is compressed; it has data.
    """

    def __init__(self, subject: CompressionSubject) -> None:
        self.network = TappedNetwork(subject.traced, trainable=True)
        self._subject, self._data = subject, subject.need_data()
        self._only: BatchHessian | None = None  # kept where there is no other batch

    def batches(self) -> Iterator[BatchHessian]:
        """The Hessian of the loss of each batch; their sum is that of the mean loss.

        While one is in use, `network` holds the values of its batch.
        """
        if self._only is not None:
            yield self._only
            return
        for inputs, labels in self._data.with_labels():
            outputs, task = self.network.forward(inputs), self._subject.task
            with torch.enable_grad():
                known = labels is not None and task is not None
                loss = task.compute_loss(outputs, labels) if known else own_loss(task, outputs)  # type: ignore[union-attr, arg-type]
                found = BatchHessian(self.network, loss * (len(inputs) / len(self._data)))
            if len(inputs) == len(self._data):
                self._only = found
            yield found

    def multiply(self, vectors: Vectors, wanted: Collection[Part]) -> dict[Part, Tensor]:
        """The wanted weights' parts of H v over all data.

        Args:
            vectors: The parts of v that are not zero, all of weights, each of shape (out, ...).
            wanted: The parts that are computed, all of weights.
        """
        products = [batch.multiply(vectors, wanted) for batch in self.batches()]
        return {part: torch.stack([one[part] for one in products]).sum(0) for part in wanted}


def own_loss(task: Task | None, outputs: Tensor) -> Tensor:
    """The mean loss of a batch by the network's own predictions, whose gradient is 0 and whose Hessian is of interest.

    It is the cross-entropy with its own probabilities if the outputs stand for some, and else the squared error.

    Args:
        task: Says what the outputs mean; None takes them for numbers.
        outputs: Shape (batch, ...).
    """
    logits = None if task is None else task.view_as_logits(outputs)
    if logits is None:
        return (outputs - outputs.detach()).square().mean()
    return -(logits.detach().softmax(-1) * logits.log_softmax(-1)).sum(-1).mean()
