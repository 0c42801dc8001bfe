"""What fine-tunes a candidate: of a supernet by its own training, of a given network with its quantisers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from nas.compression.tracing.reduced_network import list_sparse_weights
from nas.compression.tracing.trace import TracedNetwork
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.finetune import FineTuning, Tune
from nas.jobs.stages.subject import Subject
from nas.jobs.stages.train import SUPERNET, finish_training
from nas.training.finetuning.finetune_network import NetworkFineTuning, finetune_network
from nas.training.progress import StepCallback
from nas.training.schedules.phase import Phase
from nas.training.schedules.schedule import Schedule
from nas.training.task import TrainingTask
from search_spaces.candidate import Candidate
from search_spaces.elastic.graph_network import GraphNetwork


def tune_subnet(candidate: Candidate, tuning: FineTuning, training: TrainingTask, subject: Subject) -> Tune:
    """Trains a candidate of a supernet by labels and by the largest network, with learnt steps.

    Args:
        candidate: The candidate.
        tuning: The number of epochs and the learning rate.
        training: The training of the supernet, whose data and settings are used again.
        subject: The trained supernet.
    """

    def tune(folder: Path, watch: StepCallback) -> nn.Module:
        phase = Phase("finetune", tuning.epochs, tuning.learning_rate, subnets=("largest",), loss="teacher")
        plan = replace(training.plan, schedule=Schedule((phase,)), only=candidate)
        task = replace(training, plan=plan, folder=folder, start=subject.checkpoint)

        def carry_out() -> None:
            task.carry_out(watch)

        if not StageFolder(folder).holds(SUPERNET):
            finish_training(task, carry_out)
        tuned = replace(subject.measurement, checkpoint=folder / SUPERNET)
        return tuned.realizer(subject.data).realize(candidate)

    return tune


def tune_given(candidate: Candidate, tuning: FineTuning, subject: Subject, seed: int) -> Tune:
    """Trains a compressed given network by labels and by the network as it was given, with learnt steps.

    Args:
        candidate: Its policies.
        tuning: The number of epochs and the learning rate.
        subject: The given network.
        seed: Seed of the order and the augmentation of the samples.
    """

    def tune(folder: Path, watch: StepCallback) -> nn.Module:
        realizer = subject.realizer()
        network, source = realizer.realize(candidate), realizer.source
        assert isinstance(network, GraphNetwork)
        assert isinstance(source, TracedNetwork)
        sparse = tuple(list_sparse_weights(source, candidate.policy))
        settings = NetworkFineTuning(tuning.epochs, tuning.learning_rate, seed=seed, sparse=sparse)
        finetune_network(network, source.network(), subject.data, settings, folder, watch)
        return network

    return tune
