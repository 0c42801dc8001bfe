"""A wrong export is caught, whatever its bits."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from nas.compression.compress import apply_policy, calibrate
from nas.export.agreement import ExportMismatch, check_agreement
from nas.export.onnx_model import open_session, to_onnx
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution


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
    session = open_session(to_onnx(network, (3, 8, 8)))
    check_agreement(network, session, images)
    other = copy.deepcopy(network)
    other.only.op.weight.data.mul_(-1)
    with pytest.raises(ExportMismatch, match=r"onnxruntime must agree with torch within .* got"):
        check_agreement(other, session, images)
