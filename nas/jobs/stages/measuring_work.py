"""How much work it is to measure a candidate of a given network: multiplications that are known beforehand.

Searchers that weigh the gain of a candidate against what it takes go by these, not by seconds that were measured: a
search by seconds could be neither repeated nor resumed exactly.
"""

from __future__ import annotations

import numpy as np

from nas.evaluation.realize import REPAIR_SAMPLES
from nas.jobs.stages.subject import Subject
from search_spaces.additive_cost import AdditiveCost
from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.families.given import GivenSpace
from search_spaces.layer_spec import LayerSpec

# How much longer a multiplication of a fit takes than one of a forward pass, with the descent on codes that follows.
# For ResNet-20 it was 3 to 5 times on one core of an AMD EPYC: repaired it takes 7 to 10 s to measure, as it is 1.6 s.
_FIT_FACTOR = 3.0


def tabulate_work(subject: Subject) -> AdditiveCost | None:
    """The multiplications that measuring a candidate takes, those of repairs weighted, as a sum over its layers.

    These are the forward passes over the validation images and, where networks are repaired, over its samples, and the
    products of inputs and outputs to which each layer is fitted that is not left as it is (`nas.compression.repair`),
    which have the largest part. Seconds follow them as far as kernels are equally fast. The fit of what is left without
    some channels or blocks (`nas.compression.pruning`) is left out: it is done once for policies that are measured in
    turn, so that no sum over the layers of a candidate tells it. So is what uniform policies take besides, which are
    measured first and made in several ways.

    Args:
        subject: The network, the images and how candidates are compressed.

    Returns:
        The sum; None if it is the same for all candidates, or they are those of a supernet.
    """
    recipe = subject.measurement.methods.repair
    if not isinstance(subject.measurement.space, GivenSpace):
        return None
    images = len(subject.data.validation)
    if recipe is not None:
        images += subject.count_calibrating(REPAIR_SAMPLES)
    rows = 0.0 if recipe is None else _FIT_FACTOR * recipe.rows

    def count(layer: LayerSpec, policy: LayerPolicy) -> float:
        parts = [part for part, _ in expand_layer(layer, policy)]
        fitted = parts if _changes_weights(policy) else []
        return float(images * sum(part.macs for part in parts) + rows * sum(map(_count_fit, fitted)))

    work = subject.space.tabulate(count)
    return work if any(np.ptp(term.table) > 0 for term in work.terms) else None


def _changes_weights(policy: LayerPolicy) -> bool:
    """Whether a policy changes the weights of a layer, so that a repair fits them; rounded activations do not."""
    return policy.weight_bits < FULL_PRECISION_BITS or policy.sparsity is not None or not policy.has_no_factors


def _count_fit(layer: LayerSpec) -> int:
    """Multiplications by which one row of inputs and outputs enters the statistics that a layer is fitted to."""
    shape, groups = layer.operator.weight_shape, getattr(layer.operator, "groups", 1)
    assert shape is not None  # layers have weights
    outputs, inputs = shape[0], int(np.prod(shape[1:]))
    return inputs * (groups * inputs + outputs)
