"""Which values are added to the output of a layer, and what is kept of both."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.repair.references import record_references
from nas.compression.tracing.trace import trace


class Block(nn.Module):
    """Two convolutions, the second of which is added to the shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.second(F.relu(self.first(x)))) + 2 * x)


def test_outputs_and_shortcuts_are_kept_at_the_same_positions() -> None:
    block, inputs = Block().eval(), torch.randn(10, 4, 6, 6)
    traced = trace(block, [inputs[:1]])
    first, second = record_references(traced, CalibrationData(inputs, batch=4), rows=70).values()
    assert first.addition is None
    assert second.addition is not None
    assert [len(outputs) for outputs in second.outputs] == [28, 28, 14]
    with torch.no_grad():
        whole = block.second(F.relu(block.first(inputs[:4])))
    at = second.positions[0]
    torch.testing.assert_close(second.outputs[0], whole.flatten(2)[:, :, at].transpose(1, 2).flatten(0, 1))
    torch.testing.assert_close(second.others[0], 2 * inputs[:4].flatten(2)[:, :, at].transpose(1, 2).flatten(0, 1))
