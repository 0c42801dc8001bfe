"""What fine-tunes a candidate: of a supernet by its own training, of a given network with its quantisers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from nas.compression.integer_biases import round_biases
from nas.compression.tracing.reduced_network import list_sparse_weights
from nas.compression.tracing.trace import TracedNetwork
from nas.jobs.job_runs import Inputs
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.finetune import FineTuning, Tuner
from nas.jobs.stages.subject import Subject
from nas.jobs.stages.train import SUPERNET, finish_training
from nas.training.finetuning.finetune_network import CHECKPOINT, NetworkFineTuning, finetune_network
from nas.training.progress import StepCallback
from nas.training.schedules.phase import Phase
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from nas.training.task import TrainingTask
from search_spaces.candidate import Candidate
from search_spaces.elastic.graph_network import GraphNetwork


@dataclass(frozen=True)
class SubnetTuner(Tuner):
    """Trains a candidate of a supernet by labels and by the largest network, with learnt steps.

    Attributes:
        candidate: The candidate.
        tuning: The number of epochs and the learning rate.
        subject: The trained supernet.
        training: The training of the supernet, whose data and settings are used again.
    """

    candidate: Candidate
    tuning: FineTuning
    subject: Subject
    training: TrainingTask

    @property
    def inputs(self) -> Inputs:
        """Nothing: another seed has made another supernet."""
        return {}

    def tune(self, folder: Path, watch: StepCallback) -> nn.Module:
        """Goes on with the training of the supernet, for this candidate alone."""
        epochs, learning_rate = self.tuning.epochs, self.tuning.learning_rate
        phase = Phase("finetune", epochs, learning_rate, subnets=("largest",), loss="teacher")
        plan = replace(self.training.plan, schedule=Schedule((phase,)), only=self.candidate)
        task = replace(self.training, plan=plan, folder=folder, start=self.subject.checkpoint)

        def carry_out() -> None:
            task.carry_out(watch)

        if not StageFolder(folder).holds(SUPERNET):
            finish_training(task, carry_out)
        tuned = replace(self.subject.measurement, checkpoint=folder / SUPERNET)
        return tuned.realizer(self.subject.data).realize(self.candidate)

    def check_finished(self, folder: Path) -> None:
        """Looks for the trained supernet."""
        _check_there(folder / SUPERNET, StageFolder(folder).holds(SUPERNET))


@dataclass(frozen=True)
class GivenNetworkTuner(Tuner):
    """Trains a compressed given network by labels and by the network as it was given, with learnt steps.

    Attributes:
        candidate: Its policies.
        tuning: The number of epochs and the learning rate.
        subject: The given network.
        seed: Seed of the order and the augmentation of the samples.
    """

    candidate: Candidate
    tuning: FineTuning
    subject: Subject
    seed: int

    @property
    def inputs(self) -> Inputs:
        """The seed, on which nothing else of a given network depends."""
        return {"seed": self.seed}

    def tune(self, folder: Path, watch: StepCallback) -> nn.Module:
        """Trains the network with its quantisers."""
        realizer, data = self.subject.realizer(), self.subject.data
        network, source = realizer.realize(self.candidate), realizer.source
        assert isinstance(network, GraphNetwork)
        assert isinstance(source, TracedNetwork)
        settings = TrainingSettings(min(TrainingSettings().batch_size, len(data.train)))
        made = realizer.given.subject(self.candidate.architecture).traced
        sparse = tuple(list_sparse_weights(made, self.candidate.policy))
        tuning = NetworkFineTuning(
            self.tuning.epochs,
            self.tuning.learning_rate,
            settings,
            self.seed,
            sparse,
            feature_distillation=self.tuning.feature_distillation,
        )
        finetune_network(network, source.network(), data, tuning, folder, watch)
        round_biases(network)  # which were trained
        return network

    def check_finished(self, folder: Path) -> None:
        """Looks for the checkpoint, which the training keeps after its last step."""
        _check_there(folder / CHECKPOINT, (folder / CHECKPOINT).exists())


def _check_there(file: Path, is_there: bool) -> None:
    """Refuses a fine-tuned network without its weights."""
    if not is_there:
        raise ValueError(f"the weights of this fine-tuned network are gone (there is no {file}); fine-tune it again")
