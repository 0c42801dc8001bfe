"""Training of a supernet by a schedule, on one process or on several."""

from __future__ import annotations

import math
import time
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor

from nas.data.splits import DataSplits
from nas.interruption import deferred_interrupts
from nas.training.bit_sampling.policy_probabilities import (
    PolicyProbabilities,
    check_policy_probabilities,
    compute_policy_probabilities,
)
from nas.training.checkpoint import TrainingState, save_checkpoint
from nas.training.checkpoint_header import REMEDY
from nas.training.few_shot.leaf_splits import GradientComparison, LeafSplit, choose_leaf_splits, list_new_leaves
from nas.training.learner import Learner
from nas.training.plan import TrainingExecution, TrainingPlan
from nas.training.progress import StepCallback, StepReport, ignore_step
from nas.training.random_streams import Stream, numpy_generator, torch_generator
from nas.training.schedules.phase import FewShotSplit, Phase
from nas.training.schedules.schedule import PhasePosition
from nas.training.step.batches import Batch, TrainingBatches
from nas.training.step.gradients import StepLoss, accumulate_gradients
from nas.training.step.subnets import draw_subnets
from nas.training.validation import SubnetQuality, SubnetValidation
from results.description import describe
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.supernet import Supernet
from search_spaces.subspace import Subspace

_VALIDATIONS = 20  # at the ends of epochs, at most: enough for a curve, at little cost


def train_supernet(
    supernet: Supernet,
    data: DataSplits,
    plan: TrainingPlan,
    folder: Path,
    on_step: StepCallback = ignore_step,
    execution: TrainingExecution | None = None,
) -> Path:
    """Trains a supernet, or resumes an interrupted training.

    All random choices derive from the seed and the index of the step, so a resumed training makes the same ones.

    Args:
        supernet: The supernet; it is trained in place, and is on the CPU afterwards.
        data: The images: training images are learnt from, validation images only tell how good a few subnets are.
        plan: The space that is trained, the schedule, the settings and the seed.
        folder: The folder of the checkpoints: `training.safetensors` during the training, `supernet.safetensors` at
            its end.
        on_step: Called after every step.
        execution: Processes, device and time between checkpoints; None is this process on its best device.

    Returns:
        The path of the finished checkpoint.

    Raises:
        ValueError: If a phase or the settings do not suit the space, the images or the workers; if the folder holds an
            unfinished training by another plan; or if a loss or the weights become infinite or NaN.
        KeyboardInterrupt: After an interrupt, once the checkpoint of the step is written.
    """
    execution = execution or TrainingExecution()
    trainer = _Trainer(supernet, data, plan, folder, execution)
    saved = time.monotonic()
    with deferred_interrupts() as interrupted:  # in the middle of a step there is nothing to go on from
        for step in range(trainer.resume(), trainer.steps):
            on_step(trainer.train(step))
            due = time.monotonic() - saved >= execution.checkpoint_s
            if due or step + 1 == trainer.steps or interrupted():
                trainer.save(step + 1)
                saved = time.monotonic()
            if interrupted():
                break
    return trainer.finish()


class _Trainer:
    """One training: the values that all steps share, and the learner that the steps change."""

    def __init__(
        self, supernet: Supernet, data: DataSplits, plan: TrainingPlan, folder: Path, execution: TrainingExecution
    ) -> None:
        self.plan, self.team, self.device = plan, execution.team, execution.choose_device()
        self.task = data.weigh_task(plan.settings.class_weights)
        self.subspaces = plan.open_subspaces()
        plan.settings.check(plan.schedule, len(data.train), self.team.size)
        plan.settings.check_inputs(data.train.inputs.shape, data.task)
        self.learner = Learner(supernet, plan.settings, self.device)
        self.batches = TrainingBatches(data, plan.settings, plan.seed, self.team, self.device)
        self.validation = SubnetValidation(data, plan.seed, self.device, execution.watched)
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.steps = plan.schedule.end_steps(self.steps_per_epoch)[-1]
        self.validate_every = self.steps_per_epoch * math.ceil(self.steps / self.steps_per_epoch / _VALIDATIONS)
        self.largest = plan.space.largest()
        self.names = data.stated_names
        self.folder, self.unfinished = folder, folder / "training.safetensors"

    def resume(self) -> int:
        """Loads the unfinished training, if there is one; returns the index of the next step."""
        if not self.unfinished.exists():
            return 0
        step = self.learner.load(self.unfinished, self.plan.identity, self.largest)
        if not step <= self.steps:
            raise ValueError(f"{self.unfinished} must have at most {self.steps} finished steps, got {step}; {REMEDY}")
        check_policy_probabilities(self.unfinished, self.plan.space, self.learner.policy_probabilities)
        return step

    def train(self, step: int) -> StepReport:
        """Makes one step, by index from 0, and reports on it."""
        start = time.perf_counter()
        schedule, settings = self.plan.schedule, self.plan.settings
        position = schedule.locate(step, self.steps_per_epoch)
        phase = schedule.phases[position.phase]
        notes = self._begin(step, position, phase)
        subspace = self._choose_subspace(step, position.phase)
        candidates = draw_subnets(subspace, phase, numpy_generator(self.plan.seed, Stream.SUBNETS, step))
        batch = self.batches.load(step, candidates[0].architecture.resolution)
        learning_rate = self._set_learning_rate(position, phase)
        self.learner.optimizer.zero_grad()
        dropout = torch_generator(self.plan.seed, Stream.DROPOUT, step, self.team.rank)
        others_weight = phase.others_weight_at(position.progress)
        smoothing = settings.label_smoothing if self.task.smooths_labels else 0.0
        step_loss = StepLoss(phase, others_weight, smoothing, self.learner.teacher, dropout, self.task)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            losses = accumulate_gradients(self.learner.supernet, candidates, batch, step_loss)
        self.team.average([losses, *(p.grad for p in self.learner.parameters if p.grad is not None)])
        self._check_finite(losses, candidates, step, phase)
        self.learner.optimizer.step()
        return StepReport(
            step=step + 1,
            steps=self.steps,
            passes=schedule.count_passes(self.steps_per_epoch, step + 1),
            all_passes=schedule.count_passes(self.steps_per_epoch),
            phase=phase.name,
            loss=float(losses[0]),
            learning_rate=learning_rate,
            images_per_s=settings.batch_size / (time.perf_counter() - start),
            measured=(quality := self._validate(step, position.phase)).measured,
            metric=self.validation.metric,
            notes=(*notes, *quality.notes),
        )

    def save(self, step: int) -> None:
        """Writes the state after `step` steps; raises ValueError instead if the weights are no longer finite."""
        if not self._is_sound(step):
            raise ValueError(f"the weights became useless by step {step}; lower the learning rate{self._say_kept()}")
        if self.team.rank == 0:
            self.learner.save(self.unfinished, step, self.plan.identity)

    def finish(self) -> Path:
        """Writes the finished supernet; returns its path."""
        finished = self.folder / "supernet.safetensors"
        if self.team.rank == 0:
            state = TrainingState(self.steps, self.plan.identity, names=self.names)
            save_checkpoint(finished, self.learner.supernet, state)
            self.unfinished.unlink(missing_ok=True)
        self.learner.supernet.cpu()
        return finished

    def _begin(self, step: int, position: PhasePosition, phase: Phase) -> tuple[str, ...]:
        """Makes the changes that are due before a step; returns a note on each split.

        At the start of a phase: splits, the teacher, learnt steps and the probabilities of policies. When the narrower
        subnets of a phase are trained for the first time: the order of channels.
        """
        learner, notes = self.learner, list[str]()
        if position.step == 0:
            if phase.split is not None:
                splits = self._choose_leaf_splits(step, self.subspaces[position.phase], phase.split)
                notes += [f"split {one.describe(self.plan.space)}" for one in splits]
                learner.split_leaves(list_new_leaves(learner.supernet, self.subspaces[position.phase], splits))
            if phase.loss == "teacher" and learner.teacher is None:
                learner.copy_teacher(self.largest)
            # learnt steps start for the fewest bits of this and all later phases
            bits, *later = (subspace.lowest_weight_bits for subspace in self.subspaces[position.phase :])
            if bits < FULL_PRECISION_BITS:
                learner.learn_weight_steps(min([bits, *later]))
            by_hessian = phase.bit_sampling == "hessian"
            learner.policy_probabilities = self._compute_policy_probabilities(step) if by_hessian else {}
        if phase.sort_channels and position.step == phase.count_delayed_steps(position.steps):
            earlier = self.subspaces[: position.phase]
            learner.sort_channels(reduce(Subspace.union, earlier) if earlier else None)
        return tuple(notes)

    def _choose_leaf_splits(self, step: int, subspace: Subspace, split: FewShotSplit) -> list[LeafSplit]:
        def load_batch(number: int, resolution: int) -> Batch:
            return self.batches.load(step + number, resolution)

        seed = (self.plan.seed, Stream.SPLIT, step)
        comparison = GradientComparison(split, load_batch, self.team, seed, self.task)
        return choose_leaf_splits(self.learner.supernet, subspace, comparison)

    def _compute_policy_probabilities(self, step: int) -> PolicyProbabilities:
        batch = self.batches.load(step, self.largest.architecture.resolution)
        generator = torch_generator(self.plan.seed, Stream.BITS, step)
        space, team = self.plan.space, self.team
        return compute_policy_probabilities(self.learner.supernet, space, batch, team, generator, self.task)

    def _choose_subspace(self, step: int, phase: int) -> Subspace:
        """The part of the space that the subnets of a step are drawn from; leaves of a split supernet take turns."""
        subspace, leaves = self.subspaces[phase], self.learner.supernet.leaf_subspaces
        if leaves and self.plan.only is None:
            subspace = subspace.confine_to(leaves[step % len(leaves)])
        probabilities = self.learner.policy_probabilities
        return subspace.with_probabilities(probabilities) if probabilities else subspace

    def _set_learning_rate(self, position: PhasePosition, phase: Phase) -> float:
        warm_up_steps = round(phase.warm_up_epochs * self.steps_per_epoch)
        warm_up = min(1.0, (position.step + 1) / max(warm_up_steps, 1))
        learning_rate = phase.learning_rate_at(position.progress) * warm_up
        for group in self.learner.optimizer.param_groups:
            group["lr"] = learning_rate
        return learning_rate

    def _validate(self, step: int, phase: int) -> SubnetQuality:
        """How good a few subnets are after a step, if that is due: at the end of the training, and of some epochs."""
        due = (step + 1) % self.validate_every == 0 or step + 1 == self.steps
        if not due or self.team.rank > 0:
            return SubnetQuality()
        return self.validation.measure_subnets(self.learner.supernet, self.subspaces[phase])

    def _check_finite(self, losses: Tensor, candidates: list[Candidate], step: int, phase: Phase) -> None:
        if bool(losses.isfinite().all()):
            return
        number = int((~losses.isfinite()).nonzero()[0])
        remedy = "lower the learning rate" if step else "no step was taken yet, so look at the loss and the samples"
        raise ValueError(
            f"the loss of a subnet became {float(losses[number])} at step {step + 1}, in phase {phase.name!r}: "
            f"{describe(candidates[number])}; {remedy}{self._say_kept()}"
        )

    def _say_kept(self) -> str:
        kept = f"; the last good checkpoint is kept: {self.unfinished}; to begin anew, delete its folder"
        return kept if self.unfinished.exists() else ""

    @torch.no_grad()
    def _is_sound(self, step: int) -> bool:
        """Whether the weights, and the logits of the largest network for the batch of the step, are finite."""
        network = self.learner.supernet.extract(self.largest.architecture, self.largest.policy).train()
        batch = self.batches.load(step, self.largest.architecture.resolution)
        return self.learner.is_finite() and bool(network.to(self.device)(batch.inputs).isfinite().all())
