"""The damage of the policies of all layers of a supernet, measured in its largest network.

All architectures share weights, so a policy that harms a layer of the largest one is taken to harm that of the others.
"""

from __future__ import annotations

from dataclasses import replace

from nas.compression.tracing.traced_file import load_traced
from nas.jobs.execution import Execution
from nas.jobs.stages.candidate_network import store_candidate
from nas.jobs.stages.sensitivity import DamageTables, find_damage
from nas.jobs.stages.subject import Subject
from search_spaces.joint_space import JointSpace


def find_supernet_damage(metric: str, subject: Subject, execution: Execution) -> DamageTables:
    """The damage of each policy of each slot, shape (policies of the slot,) each; measured unless it is known.

    The largest network is extracted, traced and stored, and measured as a given network is.

    Args:
        metric: Name of the sensitivity metric.
        subject: The trained supernet, the samples and how networks are compressed.
        execution: The runs, the workers and the reporter of the job.

    Raises:
        ValueError: If the layers of the traced network are not the slots of the space, with the same policies; or as
            `find_damage` describes.
    """
    largest = subject.space.largest()
    path = store_candidate(largest, subject, execution)
    architectures = load_traced(path).space(f"largest-{largest.key[:8]}")
    space = JointSpace(architectures, subject.space.policies)
    if space.slot_policies != subject.space.slot_policies:
        raise ValueError(
            "option sensitivity needs a supernet whose largest network has all layers, with the policies that they "
            f"have in the space, got {len(space.slot_policies)} of {len(subject.space.slot_policies)} layers alike in "
            "number or policies; leave out space.policies_for, or the option"
        )
    measurement = replace(subject.measurement, checkpoint=path.resolve(), space=architectures)
    return find_damage(metric, replace(subject, space=space, measurement=measurement), execution, pairs=False)
