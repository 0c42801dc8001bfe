"""The degradation of whole policies, measured by running the compressed networks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from nas.compression.compress import calibrate
from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.layer_variants import join_outputs
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import view_compressed
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import CompressionPolicy


@torch.no_grad()
def measure_degradations(
    subject: CompressionSubject, chosen: Iterable[tuple[int, ...]], degradation: Degradation
) -> FloatArray:
    """The mean degradation over all data of networks that are compressed as a whole, shape (allocations,).

    Args:
        subject: What is compressed; it has data.
        chosen: Allocations: for each layer the index of its policy among its choices.
        degradation: Compares the outputs with those of the trained network.
    """
    compare, data, plain = degradation.prepare(subject), subject.need_data(), subject.traced.network()
    references = [join_outputs(plain(inputs)) for inputs in data]
    found = []
    for one in chosen:
        policies = tuple(known[choice] for known, choice in zip(subject.choices, one, strict=True))
        network = view_compressed(subject.traced, CompressionPolicy(policies), subject.methods.quantizer)
        network.keep_rounded_weights()
        calibrate(network, data, subject.methods.observer)
        batches = zip(data.with_labels(), references, strict=True)
        parts = [len(x) * compare(join_outputs(network(x)), reference, y) for (x, y), reference in batches]
        found.append(sum(parts) / len(data))
    return np.array(found)
