"""The shared weights of every ready-made space whose family has some."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from search_spaces.elastic.shared_weights import SharedWeights
from search_spaces.presets import SPACES, create_space


@pytest.fixture(scope="session", params=SPACES)
def built(request: pytest.FixtureRequest) -> SharedWeights:
    """Shared weights as they are before training, in evaluation mode; not to be changed."""
    space = create_space(request.param, image_channels=3, classes=10)
    return SharedWeights(space, seed=1).eval()


@pytest.fixture
def fresh(built: SharedWeights) -> SharedWeights:
    """A copy of the same that a test may change."""
    return copy.deepcopy(built)


@pytest.fixture
def trained(fresh: SharedWeights) -> SharedWeights:
    """Shared weights whose statistics, norms and kernel transforms are far from their initial values."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(2)
        for module in fresh.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                for mean in (module.running_mean, module.bias):
                    mean.normal_(0.0, 0.2)
                for scale in (module.running_var, module.weight):
                    scale.uniform_(0.5, 1.5)
        for matrix in fresh.kernel_transforms.values():
            matrix.add_(torch.randn_like(matrix), alpha=0.1)
    return fresh
