"""Hessian-aware sampling of policies for a supernet: layers to which the loss is sensitive are drawn with more bits."""

from __future__ import annotations

from pathlib import Path

import torch

from nas.tasks.classification import CLASSIFICATION
from nas.tasks.task import Task
from nas.training.bit_sampling.hessian_traces import compute_bit_probabilities, estimate_hessian_traces
from nas.training.checkpoint_header import REMEDY
from nas.training.distributed.team import Team
from nas.training.recalibration import recalibrate_batch_norm
from nas.training.step.batches import Batch
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace

PolicyProbabilities = dict[int, list[float]]  # by the index of a policy gene: the probability of each of its policies

_PROBES = 16  # sign vectors that a trace is averaged over; each costs a backward pass through the gradients


def compute_policy_probabilities(
    supernet: Supernet,
    space: JointSpace,
    batch: Batch,
    team: Team,
    generator: torch.Generator,
    task: Task = CLASSIFICATION,
) -> PolicyProbabilities:
    """Probabilities of the policies of every layer, from the Hessian of the largest network's loss.

    Args:
        supernet: The supernet. If it is split, the leaf that serves the largest network stands for all leaves.
        space: The space that is trained, with its policies.
        batch: Images, at any resolution, whose loss is taken.
        team: The processes over which the traces are averaged.
        generator: Draws the random signs for the traces.
        task: What the labels mean.

    Returns:
        For each policy gene of the space, by its index, the probability of each of its policies.
    """
    largest = space.largest()
    network = supernet.extract(largest.architecture, largest.policy).to(batch.inputs.device)
    recalibrate_batch_norm(network, [batch.inputs])  # in evaluation mode, for batch statistics would couple the images
    layers = [module for module in network.modules() if isinstance(module, Layer)]
    loss = task.compute_mixed_loss(network(batch.inputs), batch.labels, batch.mixture)
    traces = torch.tensor(estimate_hessian_traces(loss, [layer.op.weight for layer in layers], _PROBES, generator))
    team.average([traces])
    slots, first = space.architectures.slots, len(space.architectures.choices)
    bits = {
        slot.name: [policy.weight_bits for policy in known]
        for slot, known in zip(slots, space.slot_policies, strict=True)
    }
    names = [layer.spec.name for layer in layers]
    probabilities = compute_bit_probabilities(traces.tolist(), [bits[name] for name in names])
    by_layer = dict(zip(names, probabilities, strict=True))
    return {number: by_layer[slot.name] for number, slot in enumerate(slots, start=first)}


def check_policy_probabilities(path: Path, space: JointSpace, probabilities: PolicyProbabilities) -> None:
    """Refuses probabilities of a checkpoint that are not those of the policies of a space.

    Args:
        path: The file.
        space: The space that is trained.
        probabilities: What the file says; each row sums to 1.

    Raises:
        ValueError: If one is of a gene that is no policy gene, or of more or fewer policies than the gene has.
    """
    genes = space.genes
    for gene, row in probabilities.items():
        if not (gene < len(genes) and genes[gene].is_policy and len(row) == int(space.cardinalities[gene])):
            raise ValueError(
                f"{path}: policy_probabilities must be of policy genes of the space, one for each of their policies; "
                f"got {len(row)} of gene {gene}; {REMEDY}"
            )
