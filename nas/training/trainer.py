"""Training of a supernet by a schedule, on one process or on several.

In: a supernet, images and a schedule. Out: trained weights, in place and as a checkpoint that resumes exactly.
Knows no search, no job file and no cluster.
"""

from __future__ import annotations

import math
import time
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor

from nas.data.images import ImageData
from nas.training.bit_sampling.policy_probabilities import Odds, policy_odds
from nas.training.checkpoint import TrainingState, save_checkpoint
from nas.training.distributed.team import Alone, Team
from nas.training.few_shot.leaf_splits import Division, divide, parts
from nas.training.learner import Learner
from nas.training.random_streams import Stream, numpy_generator, torch_generator
from nas.training.schedules.phase import Phase, Split
from nas.training.schedules.schedule import Moment, Schedule
from nas.training.settings import Report, TrainingSettings, Watch
from nas.training.step.batches import Feed
from nas.training.step.gradients import Batch, accumulate_gradients, draw
from nas.training.validation import Probe
from results.description import describe
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace

_CHECKPOINT_S = 60.0
_PROBES = 20  # of a training at most, each at the end of an epoch


def train_supernet(
    supernet: Supernet,
    space: JointSpace,
    data: ImageData,
    schedule: Schedule,
    settings: TrainingSettings,
    seed: int,
    folder: Path,
    watch: Watch = lambda _report: None,
    team: Team | None = None,
    only: Candidate | None = None,
    device: torch.device | None = None,
    checkpoint_s: float = _CHECKPOINT_S,
) -> Path:
    """Trains a supernet, or goes on where a killed training stopped.

    All random choices derive from the seed and the number of the step, so a resumed training makes the same ones.

    Args:
        supernet: Trained in place.
        space: Its space with the policies that may be drawn.
        data: Training images; validation images are only reported on.
        schedule: The phases.
        settings: What holds in all of them.
        seed: Of batches, augmentation and subnets.
        folder: Receives `training.safetensors` now and then and `supernet.safetensors` at the end.
        watch: Called after every step.
        team: Who trains together; None is this process alone.
        only: Trains this one candidate, whatever the phases open.
        device: Where it runs; None is the current CUDA device or, where there is none, the CPU. The supernet is on the
            CPU afterwards.
        checkpoint_s: Seconds between checkpoints.

    Returns:
        The path of the finished checkpoint.

    Raises:
        ValueError: If a phase opens what the space lacks, the folder holds a training by other rules, or a loss is not
            finite.
    """
    place = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = _Trainer(supernet, space, data, schedule, settings, seed, folder, team or Alone(), only, place)
    saved = time.monotonic()
    for step in range(trainer.resume(), trainer.steps):
        watch(trainer.train(step))
        if step + 1 == trainer.steps or time.monotonic() - saved >= checkpoint_s:
            trainer.save(step + 1)
            saved = time.monotonic()
    return trainer.finish()


class _Trainer:
    def __init__(
        self,
        supernet: Supernet,
        space: JointSpace,
        data: ImageData,
        schedule: Schedule,
        settings: TrainingSettings,
        seed: int,
        folder: Path,
        team: Team,
        only: Candidate | None,
        device: torch.device,
    ) -> None:
        self.space, self.schedule, self.settings = space, schedule, settings
        self.seed, self.team, self.only = seed, team, only
        self.domains = schedule.domains(space)
        if only is not None:
            self.domains = [domain.confine_to(Subspace.only(space, only)) for domain in self.domains]
        settings.check(schedule, len(data.train), team.size)
        self.device = device
        self.learner = Learner(supernet, settings, device)
        memory_format = self.learner.memory_format
        self.feed = Feed(data, settings.batch_size, seed, settings.flip, team, device, memory_format)
        self.probe = Probe(data, seed, device)
        self.steps = schedule.ends(self.feed.steps_per_epoch)[-1]
        epochs = self.steps / self.feed.steps_per_epoch
        self.probe_every = self.feed.steps_per_epoch * math.ceil(epochs / _PROBES)
        self.largest = space.largest()
        self.folder, self.unfinished = folder, folder / "training.safetensors"
        self.identity = f"{schedule}, {settings}, policies {space.policies.to_json()}, seed {seed}"
        if only is not None:
            self.identity += f", only {only.key}"

    def resume(self) -> int:
        """Loads the unfinished training, if there is one; returns the step to go on with."""
        return self.learner.load(self.unfinished, self.identity, self.largest) if self.unfinished.exists() else 0

    def train(self, step: int) -> Report:
        """Carries out one step."""
        start = time.perf_counter()
        moment = self.schedule.moment(step, self.feed.steps_per_epoch)
        phase, supernet = self.schedule.phases[moment.phase], self.learner.supernet
        notes = self._begin(step, moment, phase)
        domain = self._domain(step, moment.phase)
        candidates = draw(domain, phase, numpy_generator(self.seed, Stream.SUBNETS, step))
        batch = self.feed.batch(step, candidates[0].architecture.resolution)
        learning_rate = self._set_learning_rate(moment, phase)
        self.learner.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            losses = accumulate_gradients(
                supernet,
                candidates,
                batch,
                phase,
                phase.others_weight(moment.position),
                self.settings.label_smoothing,
                self.learner.teacher,
                torch_generator(self.seed, Stream.DROPOUT, step, self.team.rank),
            )
        self.team.average([losses, *(p.grad for p in self.learner.parameters if p.grad is not None)])
        self._check_finite(losses, candidates, step, phase)
        self.learner.optimizer.step()
        images_per_s = self.settings.batch_size / (time.perf_counter() - start)
        due = (step + 1) % self.probe_every == 0 or step + 1 == self.steps
        accuracies = self.probe.accuracies(supernet, self.domains[moment.phase]) if due and self.team.rank == 0 else {}
        done, whole = (self.schedule.passes(self.feed.steps_per_epoch, steps) for steps in (step + 1, self.steps))
        loss = float(losses[0])
        return Report(
            step + 1, self.steps, done, whole, phase.name, loss, learning_rate, images_per_s, accuracies, notes
        )

    def save(self, step: int) -> None:
        """Writes the state after so many steps, unless it is no longer sound."""
        if not self._is_sound(step):
            raise ValueError(f"the weights became useless by step {step}; lower the learning rate{self._kept()}")
        if self.team.rank == 0:
            self.learner.save(self.unfinished, step, self.identity)

    def finish(self) -> Path:
        """Writes the finished supernet; returns its path."""
        finished = self.folder / "supernet.safetensors"
        if self.team.rank == 0:
            save_checkpoint(finished, self.learner.supernet, TrainingState(self.steps, self.identity))
            self.unfinished.unlink(missing_ok=True)
        self.learner.supernet.cpu()
        return finished

    def _begin(self, step: int, moment: Moment, phase: Phase) -> tuple[str, ...]:
        """Does what is done once: when a phase starts, and when its narrower subnets are first trained; says what."""
        learner, domain = self.learner, self.domains[moment.phase]
        notes: tuple[str, ...] = ()
        if moment.step == 0:
            if phase.split is not None:
                divisions = self._divisions(step, domain, phase.split)
                notes = tuple(f"split {division.describe(self.space)}" for division in divisions)
                learner.split(parts(learner.supernet, domain, divisions))
            if phase.loss == "teacher" and learner.teacher is None:
                learner.copy_teacher(self.largest)
            bits, *later = (one.lowest_weight_bits for one in self.domains[moment.phase :])
            if bits < FULL_PRECISION_BITS:
                learner.learn_weight_steps(min([bits, *later]))
            learner.odds = self._hessian_odds(step) if phase.bit_sampling == "hessian" else {}
        if phase.sort_channels and moment.step == phase.steps_alone(moment.steps):
            earlier = self.domains[: moment.phase]
            learner.sort_channels(reduce(Subspace.union, earlier) if earlier else None)
        return notes

    def _divisions(self, step: int, domain: Subspace, split: Split) -> list[Division]:
        def batch_of(number: int, resolution: int) -> Batch:
            return self.feed.batch(step + number, resolution)

        return divide(self.learner.supernet, domain, split, batch_of, self.team, (self.seed, Stream.SPLIT, step))

    def _hessian_odds(self, step: int) -> Odds:
        batch = self.feed.batch(step, self.largest.architecture.resolution)
        return policy_odds(
            self.learner.supernet, self.space, batch, self.team, torch_generator(self.seed, Stream.BITS, step)
        )

    def _domain(self, step: int, phase: int) -> Subspace:
        """What the subnets of a step are drawn from; the leaves of a split supernet take turns."""
        domain, leaves = self.domains[phase], self.learner.supernet.leaf_subspaces
        if leaves and self.only is None:
            domain = domain.confine_to(leaves[step % len(leaves)])
        return domain.with_probabilities(self.learner.odds) if self.learner.odds else domain

    def _set_learning_rate(self, moment: Moment, phase: Phase) -> float:
        warm_up_steps = round(phase.warm_up_epochs * self.feed.steps_per_epoch)
        warm_up = min(1.0, (moment.step + 1) / max(warm_up_steps, 1))
        learning_rate = phase.learning_rate_at(moment.position) * warm_up
        for group in self.learner.optimizer.param_groups:
            group["lr"] = learning_rate
        return learning_rate

    def _check_finite(self, losses: Tensor, candidates: list[Candidate], step: int, phase: Phase) -> None:
        if bool(losses.isfinite().all()):
            return
        number = int((~losses.isfinite()).nonzero()[0])
        raise ValueError(
            f"the loss of a subnet became {float(losses[number])} at step {step + 1}, in phase {phase.name!r}: "
            f"{describe(candidates[number])}; lower the learning rate{self._kept()}"
        )

    def _kept(self) -> str:
        if not self.unfinished.exists():
            return ""
        return f"; the last good checkpoint is kept: {self.unfinished}; to begin anew, delete its folder"

    @torch.no_grad()
    def _is_sound(self, step: int) -> bool:
        """Whether all weights are numbers, and the largest network computes with them without leaving those."""
        network = self.learner.supernet.extract(self.largest.architecture, self.largest.policy).train()
        batch = self.feed.batch(step, self.largest.architecture.resolution)
        return self.learner.is_finite() and bool(network.to(self.device)(batch.inputs).isfinite().all())
