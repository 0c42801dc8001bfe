"""What is to be compressed: a trained network, the policies that its layers may take, and the data at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.methods import DEFAULT_METHODS, CompressionMethods
from nas.compression.tracing.compress import compress, view_compressed
from nas.compression.tracing.trace import TracedNetwork
from nas.tasks.task import Task
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.operators.weighted import Embedding

KEPT_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class CompressionSubject:
    """A trained network before its compression. Sensitivities, allocators and repair all read this value.

    The layers are `traced.graph.layers`, in that order everywhere. A candidate of a supernet is extracted and traced
    first; steps that it learnt in training are not part of what is traced.

    Attributes:
        traced: The network.
        choices: The policies that each layer may take.
        data: Inputs that calibrate and judge; None where there are none.
        methods: Choose the ranges of activations and the steps of weights.
        task: Says what labels mean; None where labels are not used.
        kept_bytes: The most bytes of activations that are kept from one policy to the next where policies are tried one
            by one; a smaller number takes more time, and gives the same values.

    Raises:
        ValueError: If a layer has no policies, there are more or fewer entries than layers, a tensor of the network is
            not finite, or the inputs have another shape or type or come in other batches than the network reads.
    """

    traced: TracedNetwork
    choices: tuple[tuple[LayerPolicy, ...], ...]
    data: CalibrationData | None = None
    methods: CompressionMethods = DEFAULT_METHODS
    task: Task | None = None
    kept_bytes: int = KEPT_BYTES

    def __post_init__(self) -> None:
        layers = self.traced.graph.layers
        if len(self.choices) != len(layers) or not all(self.choices):
            counts = [len(known) for known in self.choices]
            raise ValueError(f"each of {len(layers)} layers needs one or more policies, got {counts}")
        if unsound := self.traced.list_unsound_tensors():
            raise ValueError(f"the tensors of a network must be finite to be compressed, got NaN in {unsound[0]!r}")
        if self.data is not None:
            _check_fit(self.traced, self.data)

    @classmethod
    def uniform_choices(
        cls,
        traced: TracedNetwork,
        policies: Sequence[LayerPolicy],
        data: CalibrationData | None = None,
        methods: CompressionMethods = DEFAULT_METHODS,
        task: Task | None = None,
    ) -> CompressionSubject:
        """A subject of which all layers may take the same policies.

        Args:
            traced: The network.
            policies: The policies of every layer.
            data: Inputs that calibrate and judge.
            methods: Choose the ranges of activations and the steps of weights.
            task: Says what labels mean.
        """
        return cls(traced, (tuple(policies),) * len(traced.graph.layers), data, methods, task)

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """The weight of each layer, shape (out, ...), without a gradient."""
        return tuple(
            to_output_first(self.traced.parameters[layer.weight].detach(), layer.operator)
            for layer in self.traced.graph.layers
        )

    def policy(self, chosen: Sequence[int]) -> CompressionPolicy:
        """The policy of the whole network that an allocation is.

        Args:
            chosen: For each layer the index of its policy among its choices.
        """
        return CompressionPolicy(tuple(known[one] for known, one in zip(self.choices, chosen, strict=True)))

    @cached_property
    def directions(self) -> Mapping[str, Tensor]:
        """What layers of low rank keep, by name of the weight, shape (out, most); see `Factorization.find_directions`.

        Raises:
            ValueError: If the factorisation of the methods needs data, and there is none.
        """
        return self.methods.factorization.find_directions(self.traced, self.data)

    def compress(self, policy: CompressionPolicy) -> GraphNetwork:
        """The network under a policy, by the methods of the subject, with tensors of its own; it is not calibrated.

        Args:
            policy: One entry for each layer.

        Raises:
            ValueError: As for `tracing.compress.compress`.
        """
        return compress(self.traced, policy, self.methods.quantizer, self._find_directions(policy))

    def view_compressed(self, policy: CompressionPolicy) -> GraphNetwork:
        """The same, but tensors are shared where they can be: where many policies are tried.

        Args:
            policy: One entry for each layer.

        Raises:
            ValueError: As for `tracing.compress.compress`.
        """
        return view_compressed(self.traced, policy, self.methods.quantizer, self._find_directions(policy))

    def _find_directions(self, policy: CompressionPolicy) -> Mapping[str, Tensor] | None:
        return self.directions if any(entry.low_rank is not None for entry in policy.layers) else None

    def need_data(self) -> CalibrationData:
        """The data.

        Raises:
            ValueError: If there is none.
        """
        if self.data is None:
            raise ValueError(
                "this needs calibration data, and the subject has none; give inputs of the network, or distil them "
                "from it (nas.compression.data_free)"
            )
        return self.data


def _check_fit(traced: TracedNetwork, data: CalibrationData) -> None:
    """Raises ValueError unless the inputs are those of the one input of a network, in batches that it can run."""
    known, fixed = traced.graph.inputs, traced.graph.batch
    if len(known) != 1:
        raise ValueError(f"calibration data is for networks of one input, got one of {len(known)}")
    ((name, shape),) = known
    if tuple(data.inputs.shape[1:]) != tuple(shape):
        raise ValueError(f"the network reads inputs of shape {tuple(shape)}, got {tuple(data.inputs.shape[1:])}")
    layers = [one for one in traced.graph.layers if not isinstance(one.operator, Embedding)]
    for layer in [one for one in layers if any(unit.call.inputs[0] == name for unit in one.units)]:
        if data.inputs.dtype != (needed := traced.parameters[layer.weight].dtype):
            raise ValueError(f"layer {layer.name} reads inputs of {needed}, got {data.inputs.dtype}; convert them")
    if fixed is not None and (data.batch != fixed or len(data) % fixed):
        raise ValueError(f"the network runs at a batch of {fixed} alone, got {len(data)} inputs at {data.batch}")
