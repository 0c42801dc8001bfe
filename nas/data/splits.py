"""Splits of a data set: inputs and labels for training, validation and testing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from torch import Tensor

from nas.data.input_transform import InputTransform
from nas.data.inputs import Inputs, TensorInputs
from nas.data.normalization import Normalization, compute_normalization
from nas.tasks.class_weights import ClassWeights
from nas.tasks.classification import CLASSIFICATION
from nas.tasks.task import Task


@dataclass(frozen=True)
class Split:
    """Samples with their labels, such as those for training.

    Attributes:
        inputs: The inputs of n samples.
        labels: Their labels as the task encodes them, such as class numbers, int64, shape (n,); of samples without
            labels shape (n, 0).
    """

    inputs: Inputs
    labels: Tensor

    @classmethod
    def of(cls, images: Tensor, labels: Tensor) -> Split:
        """Samples in memory.

        Args:
            images: Pixels from 0 to 255, uint8, shape (n, channels, height, width); or other inputs, shape (n, ...).
            labels: The labels, shape (n, ...).
        """
        return cls(TensorInputs(images), labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> Tensor:
        """All inputs, decoded and in memory: uint8 from 0 to 255, shape (n, channels, height, width)."""
        return self.inputs.read()

    def take(self, rows: Tensor | slice) -> Split:
        """The samples at `rows`: row indices, int64 of shape (k,), or a slice."""
        return Split(self.inputs.take(rows), self.labels[rows])

    def keep(self) -> Split:
        """The same samples, decoded and in memory; only for a few of them."""
        return Split(TensorInputs(self.images.to(self.labels.device)), self.labels)

    def to(self, processor: str) -> Split:
        """The same in the memory of a processor, `"cpu"` or `"cuda"`; inputs that are stored stay where they are."""
        in_memory = isinstance(self.inputs, TensorInputs)
        inputs = TensorInputs(self.images.to(processor)) if in_memory else self.inputs
        return Split(inputs, self.labels.to(processor))


@dataclass(frozen=True)
class DataSplits:
    """A data set in three splits.

    Attributes:
        train: Samples for training weights, recalibrating batch norms and calibrating activation ranges.
        validation: Samples on which candidates are measured, while a search chooses among them.
        test: Samples by which nothing is chosen, for the final reports.
        names: Name of each output of a network, such as that of its class; empty if there are no labels to tell it.
        task: What the labels mean.
        stated: How samples become inputs of a network, such as the normalisation that the user gave; None normalises by
            the training images.
        loaders: Number of processes that decode training images which are not decoded yet, beside the training.
        contents: A hash of the stored samples of each split, by its name, where a survey has read them: then `digest`
            reads nothing.
    """

    train: Split
    validation: Split
    test: Split
    names: tuple[str, ...]
    task: Task = CLASSIFICATION
    stated: InputTransform | None = None
    loaders: int = 0
    contents: Mapping[str, str] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        """Whether the samples have labels."""
        return self.train.labels.shape[1:] != (0,)

    @property
    def classes(self) -> int:
        """Number of outputs of a network, which are classes where the task has classes; 0 if no labels tell it."""
        return len(self.names)

    @property
    def stated_names(self) -> tuple[str, ...]:
        """The names of the outputs, unless they are only their numbers; then none."""
        return () if self.names == tuple(map(str, range(self.classes))) else self.names

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self.train.inputs.shape[0]

    def to(self, processor: str) -> DataSplits:
        """The same in the memory of a processor, `"cpu"` or `"cuda"`."""
        train, validation, test = (part.to(processor) for part in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)

    def weigh_task(self, stated: ClassWeights | None) -> Task:
        """The task with weights of its classes in the loss.

        Args:
            stated: The weights as a user states them; None weighs all samples alike.

        Raises:
            ValueError: If the task has no classes, or the weights are not those of its classes.
        """
        return self.task if stated is None else self.task.weigh(stated, self.train.labels, self.names)

    @cached_property
    def digest(self) -> str:
        """A hash of all inputs and labels, the task, names and a stated normalisation, as hexadecimal digits."""
        found = hashlib.sha256(f"{self.classes}{self.stated or ''}".encode())
        if self.stated_names:
            found.update(repr(self.stated_names).encode())
        if self.task != CLASSIFICATION:
            found.update(repr(self.task).encode())
        for name, part in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            part.inputs.update(found, self.contents.get(name))
            found.update(str(tuple(part.labels.shape)).encode())
            found.update(part.labels.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def input_shape(self, resolution: int) -> tuple[int, ...]:
        """Shape of one input of a network; the resolution counts for images."""
        return self.transform.shape(self.train.inputs.shape, resolution)

    @cached_property
    def transform(self) -> InputTransform:
        """What is stated, or the normalisation by mean and standard deviation of the training images, by channel."""
        return self.stated or compute_normalization(self.train.inputs)

    @property
    def normalization(self) -> Normalization:
        """The normalisation of images.

        Raises:
            ValueError: If the samples are no images.
        """
        if not isinstance(self.transform, Normalization):
            raise ValueError(f"images are normalised, and the samples are {type(self.transform).__name__.lower()}")
        return self.transform
