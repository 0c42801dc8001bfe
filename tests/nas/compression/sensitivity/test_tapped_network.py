"""Gradients of all layers from one backward pass, against plain ones."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject


def test_gradients_are_those_of_the_network(residual: CompressionSubject) -> None:
    inputs = residual.need_data().inputs
    network = TappedNetwork(residual.traced)
    outputs = network.forward(inputs)
    weighting = torch.randn_like(outputs)
    found = [*network.gradients(outputs, weighting)]
    # the same by hand: the inner layer reads x alone, the stem's rounding is read by all
    tensors = {name: tensor.detach() for name, tensor in residual.traced.parameters.items()}
    stem, inner, head = (tensors[f"{name}.weight"].clone().requires_grad_() for name in ("stem", "inner", "head"))
    image = inputs.clone().requires_grad_()
    x = F.conv2d(image, stem, tensors["stem.bias"], padding=1)
    scale = tensors["norm.weight"] / (tensors["norm.running_var"] + 1e-5).sqrt()
    x = ((x - tensors["norm.running_mean"][:, None, None]) * scale[:, None, None]).relu()
    read = x.view_as(x)
    y = F.conv2d(read, inner, tensors["inner.bias"], padding=1)
    pooled = (x + y).relu().mean((2, 3))
    scores = F.linear(pooled, head, tensors["head.bias"])
    torch.testing.assert_close(outputs, scores, rtol=1e-4, atol=1e-5)
    by_weight = torch.autograd.grad(scores, [stem, inner, head], weighting, retain_graph=True)
    for layer, expected in zip(found, by_weight, strict=True):
        assert layer.weight.shape == (len(inputs), expected.numel())
        torch.testing.assert_close(layer.weight.sum(0), expected.flatten(), rtol=1e-3, atol=1e-5)
    expected_sites = [(image, x), (read, y), (pooled, scores)]
    for number, (layer, (first, second)) in enumerate(zip(found, expected_sites, strict=True)):
        for value, gradient, tensor in zip(network.values(number), layer.sites, (first, second), strict=True):
            torch.testing.assert_close(value, tensor, rtol=1e-4, atol=1e-5)
            (by_value,) = torch.autograd.grad(scores, tensor, weighting, retain_graph=True)
            torch.testing.assert_close(gradient, by_value, rtol=1e-3, atol=1e-5)


def test_gradients_can_be_asked_for_again(residual: CompressionSubject) -> None:
    network = TappedNetwork(residual.traced)
    outputs = network.forward(residual.need_data().inputs)
    once, twice = ([*network.gradients(outputs, torch.full_like(outputs, scale))] for scale in (1.0, 2.0))
    assert all(torch.equal(2 * a.weight, b.weight) for a, b in zip(once, twice, strict=True))
    assert all(not tensor.grad_fn for tensor in residual.traced.parameters.values())
