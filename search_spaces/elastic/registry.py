"""Which shared weights serve which family.

In: a search space. Out: its supernet. Knows no preset by name.
"""

from __future__ import annotations

from search_spaces.elastic.mobilenet_v3 import MobileNetV3Weights
from search_spaces.elastic.resnet import ResNetWeights
from search_spaces.elastic.shared_weights import SharedWeights
from search_spaces.elastic.supernet import Supernet
from search_spaces.mobilenet_v3 import MobileNetV3Space
from search_spaces.resnet import ResNetSpace
from search_spaces.space import SearchSpace

FAMILIES: dict[type[SearchSpace], type[SharedWeights]] = {
    MobileNetV3Space: MobileNetV3Weights,
    ResNetSpace: ResNetWeights,
}


def supernet(space: SearchSpace, seed: int) -> Supernet:
    """A fresh supernet of a space, its weights seeded.

    Raises:
        ValueError: If the family has no supernet; those that have one are listed.
    """
    if type(space) not in FAMILIES:
        known = ", ".join(family.__name__ for family in FAMILIES)
        raise ValueError(f"{type(space).__name__} has no supernet; families that have one: {known}")
    return Supernet(FAMILIES[type(space)](space, seed))
