"""The damage of the policies of all layers of a supernet, measured in the network of an architecture.

That is the largest one: all architectures share weights, so a policy that harms a layer of it is taken to harm that of
the others. Where a search asks, it is another one, for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nas.compression.tracing.traced_file import load_traced
from nas.jobs.execution import Execution
from nas.jobs.stages.candidate_network import store_candidate
from nas.jobs.stages.sensitivity import find_damage
from nas.jobs.stages.subject import Subject
from nas.objectives import FloatArray
from search_spaces.candidate import Architecture, Candidate
from search_spaces.compression_policy import CompressionPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.search_space import Genes


def find_supernet_damage(
    metric: str, architecture: Architecture, subject: Subject, execution: Execution
) -> tuple[FloatArray, ...]:
    """The damage of each policy of each slot, shape (policies of the slot,) each; measured unless it is known.

    The network is extracted, traced and stored, and measured as a given network is.

    Args:
        metric: Name of the sensitivity metric.
        architecture: In whose network it is measured; 0 is the damage in slots of which it has no layer.
        subject: The trained supernet, the samples and how networks are compressed.
        execution: The runs, the workers and the reporter of the job.

    Raises:
        ValueError: If the layers of the traced network are not those of the architecture, with the policies of their
            slots; or as `find_damage` describes.
    """
    slots = [slot.name for slot in subject.space.architectures.slots]
    known = dict(zip(slots, subject.space.slot_policies, strict=True))
    names = [layer.name for layer in subject.space.architectures.layers(architecture)]
    whole = Candidate(architecture, CompressionPolicy(tuple(known[name][0] for name in names)))
    path = store_candidate(whole, subject, execution)
    traced = load_traced(path).space(f"candidate-{whole.key[:8]}")
    space = JointSpace(traced, subject.space.policies)
    if space.slot_policies != (wanted := tuple(known[name] for name in names)):
        raise ValueError(
            "option sensitivity needs a supernet whose networks have all layers, with the policies that they have in "
            f"the space, got {len(space.slot_policies)} of {len(wanted)} layers alike in number or policies; leave out "
            "space.policies_for, or the option"
        )
    measurement = replace(subject.measurement, checkpoint=path.resolve(), space=traced)
    found = find_damage(metric, replace(subject, space=space, measurement=measurement), execution, pairs=False)
    there = dict(zip(names, found.alone, strict=True))
    return tuple(there.get(name, np.zeros(len(policies))) for name, policies in known.items())


def measure_architectures(
    metric: str, subject: Subject, execution: Execution
) -> Callable[[Genes], tuple[FloatArray, ...]]:
    """What measures the damage in the network of an architecture of a supernet, by its genes; see `SearchProblem`.

    Its argument has shape (genes of architectures,), and what it gives (policies of the slot,) each.

    Args:
        metric: As for `find_supernet_damage`, as the others.
        subject: The supernet.
        execution: Serves as long as what is returned is called.
    """
    architectures = subject.space.architectures
    return lambda genes: find_supernet_damage(metric, architectures.decode(genes), subject, execution)
