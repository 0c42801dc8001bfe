"""Quantisation-aware fine-tuning of a compressed network, by the network that it was made of, and by labels."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from nas.data.splits import DataSplits
from nas.interruption import deferred_interrupts
from nas.tensor_files import read_tensors, save_tensors
from nas.training.distributed.team import SingleProcess
from nas.training.finetuning.feature_distillation import compare_features, pair_features, run_with_features
from nas.training.finetuning.learned_steps import StepLearning
from nas.training.finetuning.nested_ranks import NestedLoss, NestedRanks
from nas.training.progress import StepCallback, StepReport, ignore_step
from nas.training.settings import TrainingSettings
from nas.training.step.batches import TrainingBatches
from nas.training.step.distillation import distill
from search_spaces.elastic.graph_network import GraphNetwork

_REMEDY = "delete it, and start the same command again"
CHECKPOINT = "finetuning.safetensors"
_CHECKPOINT_S = 60.0


@dataclass(frozen=True)
class NetworkFineTuning:
    """For how long a given network is fine-tuned, and how fast.

    Attributes:
        epochs: Number of passes over the training samples, above 0.
        learning_rate: Of Adam at the start, above 0; it falls to 0 on a cosine.
        settings: The batch size and the augmentation of samples; by default images are shifted.
        seed: Of the order and the augmentation of the samples.
        sparse: Names of the weights of which those that are 0 at the beginning stay 0.
        nested: Makes every smaller rank of layers of low rank usable, too; None trains all components together.
        feature_distillation: Weight in the loss of what the ends of blocks differ from those of the original network
            (`compare_features`), 0 or above; 0 compares the outputs alone.

    Raises:
        ValueError: If the epochs or the learning rate are not above 0, or the weight is negative, infinite or NaN.
    """

    epochs: float = 2.0
    learning_rate: float = 1e-4
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    seed: int = 0
    sparse: tuple[str, ...] = ()
    nested: NestedRanks | None = None
    feature_distillation: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.epochs < math.inf and 0 < self.learning_rate < math.inf):
            raise ValueError(f"epochs and learning_rate must be above 0, got {self.epochs} and {self.learning_rate}")
        if not 0 <= self.feature_distillation < math.inf:
            raise ValueError(f"feature_distillation must be a number of 0 or above, got {self.feature_distillation}")


def finetune_network(
    network: GraphNetwork,
    original: GraphNetwork,
    data: DataSplits,
    tuning: NetworkFineTuning,
    folder: Path,
    on_step: StepCallback = ignore_step,
) -> None:
    """Trains the weights, their steps, biases and normalisations of a compressed network; or resumes such a training.

    The loss is that of the task by labels, where there are some, plus the divergence of the outputs from those of the
    original network (Hinton et al., 2015) and, where that is asked for, what features differ from its own. The steps of
    weights are trained (LSQ, Esser et al., ICLR 2020). Ranges of activations, and means and variances of batch
    normalisations, stay as they are: exports fold these into weights.

    Args:
        network: A compressed and calibrated network, changed in place. Afterwards its weights lie on their grids.
        original: The network that it was made of; not changed. For features to be compared, their channels must not
            have been rescaled meanwhile (`nas.compression.equalization`).
        data: The samples, of which the training samples are read.
        tuning: How long and how fast.
        folder: The folder of the checkpoint `finetuning.safetensors`, from which the same call goes on, also after the
            last step.
        on_step: Called after every step.

    Raises:
        ValueError: If the folder holds the checkpoint of another fine-tuning, or a damaged one, the batch size does not
            suit the samples, ranks are to be nested and no layer has factors, features are to be compared and none has
            its shape, or the loss or a weight becomes infinite or NaN.
        KeyboardInterrupt: After an interrupt, once the checkpoint of the step is written.
    """
    training = _FineTuning(network, original, data, tuning, folder / CHECKPOINT)
    saved = time.monotonic()
    with deferred_interrupts() as interrupted:
        for step in range(training.resume(), training.steps):
            on_step(training.train(step))
            if interrupted() or step + 1 == training.steps or time.monotonic() - saved >= _CHECKPOINT_S:
                training.save(step + 1)
                saved = time.monotonic()
            if interrupted():
                return  # the interrupt is raised at the end of the block
    training.finish()


class _FineTuning:
    """One fine-tuning: what its steps share, and the network and the optimiser that they change."""

    def __init__(
        self,
        network: GraphNetwork,
        original: GraphNetwork,
        data: DataSplits,
        tuning: NetworkFineTuning,
        checkpoint: Path,
    ) -> None:
        settings = tuning.settings
        if not 1 <= settings.batch_size <= len(data.train):
            raise ValueError(
                f"batch_size must lie in [1, {len(data.train)}], the training samples; got {settings.batch_size}"
            )
        settings.check_inputs(data.train.inputs.shape, data.task)
        self._network, self._original, self._checkpoint = network, original, checkpoint
        self._data, self._tuning = data, tuning
        # what came later has no entry where it is not used, so trainings of before go on
        late = ("nested", "feature_distillation")
        stated = {name: value for name, value in asdict(tuning).items() if name not in late or value}
        self._identity = json.dumps({**stated, "settings": settings.described(), "start": _digest(network)})
        kept = {network.attribute(name): network.tensor(name).detach() != 0 for name in tuning.sparse}
        self._learning = StepLearning(network)
        for tensor in network.parameters():
            tensor.requires_grad_(True)
        self._parameters = dict(network.named_parameters())
        # a weight that is rounded is trained as the original of its parametrisation
        trained = {attribute: f"parametrizations.{attribute}.original" for attribute in kept}
        self._kept = [
            (self._parameters[name if name in self._parameters else attribute], kept[attribute])
            for attribute, name in trained.items()
        ]
        features = pair_features(network.graph, original.graph) if tuning.feature_distillation else {}
        self._learning_features, self._taught_features = [*features], [*features.values()]
        self._nested = None if tuning.nested is None else NestedLoss(network, tuning.nested, data.task, tuning.seed)
        self._adam = torch.optim.Adam(self._parameters.values(), lr=0.0)
        self._batches = TrainingBatches(data, settings, tuning.seed, SingleProcess(), torch.device("cpu"))
        self.steps = math.ceil(tuning.epochs * self._batches.steps_per_epoch)

    def train(self, step: int) -> StepReport:
        """Makes one step, by index from 0, and reports on it."""
        began, tuning, task = time.perf_counter(), self._tuning, self._data.task
        learning_rate = tuning.learning_rate * (1 + math.cos(math.pi * step / self.steps)) / 2
        ((_, shape),) = self._network.graph.inputs
        batch = self._batches.load(step, shape[-1])
        with torch.no_grad():
            expected, taught = run_with_features(self._original, self._taught_features, batch.inputs)
        self._adam.param_groups[0]["lr"] = learning_rate
        self._adam.zero_grad()
        outputs, learning = run_with_features(self._network, self._learning_features, batch.inputs)
        loss = distill(task, "kl", outputs, expected)
        if self._data.labelled:
            loss = task.compute_mixed_loss(outputs, batch.labels, batch.mixture) + loss
        if learning:
            loss = loss + tuning.feature_distillation * compare_features(learning, taught)
        if self._nested is not None:
            loss = loss + self._nested(step, batch.inputs, outputs)
        loss.backward()
        found = loss.item()
        if not math.isfinite(found):
            remedy = (
                "lower the learning rate" if step else "no step was taken yet, so look at the network and the samples"
            )
            raise ValueError(f"the loss became {found} at step {step + 1}; {remedy}")
        self._adam.step()
        with torch.no_grad():
            for parameter, mask in self._kept:
                parameter.mul_(mask)
        return StepReport(
            step=step + 1,
            steps=self.steps,
            passes=step + 1,
            all_passes=self.steps,
            phase="finetune",
            loss=found,
            learning_rate=learning_rate,
            images_per_s=len(batch.inputs) / (time.perf_counter() - began),
        )

    def save(self, step: int) -> None:
        """Writes the state after `step` steps."""
        state = {f"adam/{name}/{key}": value for name, key, value in self._list_state()}
        tensors = {f"network/{name}": tensor for name, tensor in self._parameters.items()}
        save_tensors(self._checkpoint, tensors | state, {"step": step, "identity": self._identity})

    def resume(self) -> int:
        """Reads the state that was saved, if there is one; returns the index of the next step."""
        if not self._checkpoint.exists():
            return 0
        stored = read_tensors(self._checkpoint, "fine-tuning", _REMEDY)
        step = stored.header.get("step")
        if stored.header.get("identity") != self._identity or not isinstance(step, int) or not 0 < step <= self.steps:
            raise ValueError(f"{self._checkpoint} is of another network or fine-tuning; {_REMEDY}")
        with torch.no_grad():
            for name, tensor in self._parameters.items():
                tensor.copy_(stored.tensors[f"network/{name}"])
                prefix = f"adam/{name}/"
                found = {key.removeprefix(prefix): one for key, one in stored.tensors.items() if key.startswith(prefix)}
                self._adam.state[tensor] = found
        return step

    def finish(self) -> None:
        """Fixes the steps."""
        self._learning.finish()
        for tensor in self._network.parameters():
            tensor.grad = None
            if not bool(tensor.isfinite().all()):
                raise ValueError("a weight became infinite or NaN in fine-tuning; lower the learning rate")

    def _list_state(self) -> list[tuple[str, str, Tensor]]:
        """The state of the optimiser: name of the parameter, name of the entry, and value."""
        return [
            (name, key, value)
            for name, parameter in self._parameters.items()
            for key, value in self._adam.state[parameter].items()
        ]


def _digest(network: GraphNetwork) -> str:
    """A hash of what a network computes at the beginning, as hexadecimal digits."""
    found = hashlib.sha256(network.graph.to_json().encode())
    for name in network.graph.parameter_shapes:
        tensor = network.tensor(name).detach().contiguous()
        found.update(name.encode() + tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
