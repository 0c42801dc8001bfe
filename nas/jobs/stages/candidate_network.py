"""A candidate of a trained supernet as a network of its own: found in the results database, traced and stored."""

from __future__ import annotations

from pathlib import Path

import torch

from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import save_traced
from nas.jobs.execution import Execution
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.subject import Subject
from results.database.results_database import ResultsDatabase
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace


def find_candidate(database: ResultsDatabase, key: str, space: JointSpace, job: str) -> Candidate:
    """The candidate of a space whose key begins with these digits.

    Args:
        database: The database that holds the candidate.
        key: First digits of its key.
        space: The space that must contain it.
        job: Name of the job whose space it is, for the message.

    Raises:
        ValueError: If no candidate has such a key, several have, or the candidate is of another space.
    """
    candidate = database.candidate(key)
    try:
        space.encode([candidate])
    except ValueError as error:
        raise ValueError(
            f"candidate {candidate.key} is not of the space of job {job!r}: {error}; name the job that found it"
        ) from error
    return candidate


def store_candidate(candidate: Candidate, subject: Subject, execution: Execution) -> Path:
    """Stores the network of a candidate as a given network is stored, unless that is done.

    Its weights are those of the supernet, unrounded whatever the bits of the candidate, with statistics of batch norms
    that are estimated anew.

    Args:
        candidate: The candidate.
        subject: The trained supernet.
        execution: The runs and the reporter of the job.

    Returns:
        The file, which `nas.compression.tracing.traced_file.load_traced` reads.

    Raises:
        ValueError: If the network cannot be traced, or it is stored and was damaged.
    """
    folder = execution.runs.path("candidate", {"subject": subject.digest, "candidate": candidate.key})
    path, stage = folder / f"candidate-{candidate.key[:8]}.safetensors", StageFolder(folder)
    if not stage.holds(path.name):
        architecture = candidate.architecture
        layers = len(subject.space.architectures.layers(architecture))
        whole = Candidate(architecture, CompressionPolicy((LayerPolicy(),) * layers))
        inputs = torch.rand(2, *subject.data.input_shape(architecture.resolution))
        folder.mkdir(parents=True, exist_ok=True)
        save_traced(path, trace(subject.realizer().realize(whole), [inputs]))
        stage.record(path.name)
    execution.reporter.say(f"network  candidate {candidate.key[:8]} of the supernet: {path}")
    return path
