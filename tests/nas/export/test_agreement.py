"""A wrong export is caught, whatever its bits, and a right one passes."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.compress import apply_policy, calibrate
from nas.compression.integer_biases import round_biases
from nas.export.agreement import ExportMismatch, check_agreement
from nas.export.onnx_model import open_session, to_onnx
from nas.verification.parity import Reference
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

if TYPE_CHECKING:
    import onnxruntime


class Net(nn.Module):
    def __init__(self, spec: LayerSpec) -> None:
        super().__init__()
        self.only = Layer(spec)

    def forward(self, images: Tensor) -> Tensor:
        return self.only(images).mean((2, 3))


@pytest.mark.parametrize("policy", ["w32a32", "w8a8", "w4a4"])
def test_other_weights_do_not_agree(policy: str) -> None:
    torch.manual_seed(0)
    spec = LayerSpec.conv("only", Convolution.square(3, 8, 3), 8)
    images = torch.randn(32, 3, 8, 8)
    network = apply_policy(Net(spec).eval(), [spec], CompressionPolicy((LayerPolicy.parse(policy),)))
    calibrate(network, [images])
    round_biases(network)
    session = open_session(to_onnx(network, (3, 8, 8)))
    check_agreement(network, session, images)
    other = copy.deepcopy(network)
    other.only.op.weight.data.mul_(-1)
    with pytest.raises(ExportMismatch, match=r"onnxruntime must agree with torch within .* got"):
        check_agreement(other, session, images)


class Rounded(nn.Module):
    """Codes of unit step of what is given, and, if `summed`, how far their sum is from one that is usual."""

    def __init__(self, summed: bool, bits: int = 8) -> None:
        super().__init__()
        self.quantizer, self.summed = ActivationQuantizer(bits), summed
        self.quantizer.range = (0.0, 2.0**bits - 1)

    def forward(self, values: Tensor) -> Tensor:
        codes: Tensor = self.quantizer(values)
        return codes.sum(1) - 127.0 * codes.shape[1] if self.summed else codes


class Answers:
    """A session that has one answer."""

    def __init__(self, answer: Tensor) -> None:
        self._answer = answer

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="images", shape=["batch"])]

    def run(self, _: None, inputs: dict[str, Any]) -> list[Any]:
        return [self._answer.numpy()]


def agree(network: nn.Module, answer: Tensor, inputs: Tensor) -> None:
    check_agreement(network, cast("onnxruntime.InferenceSession", Answers(answer)), inputs)


def test_steps_of_few_outputs_are_those_of_their_quantizer() -> None:
    values = torch.tensor([[10.0], [30.0]])  # 255ths of this range are a thirteenth of the step
    agree(Rounded(summed=False), values + 1, values)
    with pytest.raises(ExportMismatch, match=r"got 3.00 and 3.0$"):
        agree(Rounded(summed=False), values + 3, values)


# outputs of all codes, evenly and mostly of one, and three of the 256 codes
FEW_CODES = [(2, 0, 3, 1), (3, 0, 7, 1), (4, 0, 15, 1), (2, 0, 3, 20), (4, 0, 15, 20), (8, 120, 122, 1), (8, 0, 2, 20)]


@pytest.mark.parametrize(("bits", "low", "high", "most_frequent"), FEW_CODES)
def test_of_few_codes_wrong_outputs_are_refused_and_a_code_of_a_few_is_not(
    bits: int, low: int, high: int, most_frequent: int
) -> None:
    network, generator = Rounded(summed=False, bits=bits), torch.Generator().manual_seed(0)
    codes = torch.tensor([*range(low, high + 1), *[low + 1] * most_frequent], dtype=torch.float32)
    right = codes[torch.randint(len(codes), (64, 10), generator=generator)]
    shuffled = right.flatten()[torch.randperm(right.numel(), generator=generator)].reshape(right.shape)
    for wrong in (torch.zeros_like(right), right.median().expand_as(right), low + high - right, shuffled):
        with pytest.raises(ExportMismatch, match=r"onnxruntime must agree with torch within .* got"):
            agree(network, wrong, right)
    neighbour = right.clone()
    neighbour[::16, 0] += torch.where(right[::16, 0] < high, 1, -1)
    agree(network, neighbour, right)
    if high - low > 2:
        far = right.clone()
        far[0, 0] = low if right[0, 0] > (low + high) / 2 else high
        with pytest.raises(ExportMismatch, match=r"onnxruntime must agree with torch within .* got"):
            agree(network, far, right)


def test_a_single_code_may_be_the_only_one_that_differs() -> None:
    values = torch.tensor([[1.0, 1.0, 1.0, 2.0]])
    agree(Rounded(summed=False, bits=2), torch.ones_like(values), values)
    with pytest.raises(ExportMismatch, match=r"within 0.25 quantisation steps on average .* got 0.50 and 1.0$"):
        agree(Rounded(summed=False, bits=2), torch.tensor([[1.0, 1.0, 2.0, 1.0]]), values)


def test_a_network_that_amplifies_rounding_is_told_from_a_wrong_export() -> None:
    ties, plain = torch.full((2, 64), 127.49999), torch.full((2, 64), 127.2)
    for inputs, reason in ((ties, "amplifies"), (plain, r"steps on average and 16 at most, got .*\d$")):
        inputs[0] = 125.0
        outputs = Rounded(summed=True)(inputs)
        with pytest.raises(ExportMismatch, match=reason):
            agree(Rounded(summed=True), outputs + 64, inputs)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([4.0, 6.0, 0.0], ""),  # torch's answer
        ([5.0, 5.0, 0.0], ""),  # among the answers of the file, which are equal
        ([6.0, 5.0, 0.0], "first answers must be equal, and 1 of 2 differ"),
        ([6.0, 4.0, 0.0], "99.9% of outputs must be within one step"),
    ],
)
def test_answers_are_equal_but_for_ties(given: list[float], fault: str) -> None:
    expected = np.array([[4.0, 6.0, 0.0], [0.0, 0.0, 255.0]], np.float32)  # so that a step is 1
    found = Reference(expected, quantized=True, step=1.0).compare(
        np.array([given, expected[1]], np.float32), exact=True
    )
    assert found.fault.startswith(fault)
    assert bool(found.fault) == bool(fault)
