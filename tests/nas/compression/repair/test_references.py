"""Which values are added to the output of a layer, and what is kept of both."""

from __future__ import annotations

import pytest
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
    torch.testing.assert_close(second.outputs[0], whole.movedim(1, 3).reshape(-1, 4)[at])
    torch.testing.assert_close(second.others[0], 2 * inputs[:4].movedim(1, 3).reshape(-1, 4)[at])


class Windows(nn.Module):
    """A linear layer of the pixels of each of 16 windows of an image; the first axis is that of all windows."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[0]
        windows = x.reshape(count, 3, 4, 2, 4, 2).permute(0, 2, 4, 3, 5, 1).reshape(count * 16, 4, 3)
        return self.head(self.layer(windows).reshape(count, 64, 4).mean(1))


@pytest.mark.parametrize(("rows", "most"), [(32, 33), (128, 130), (1000, 1040), (10_000, 3200)])
def test_rows_are_bounded_where_the_first_axis_is_not_that_of_inputs(rows: int, most: int) -> None:
    inputs = torch.randn(50, 3, 8, 8)
    traced = trace(Windows().eval(), [inputs[:2]])
    layer, head = record_references(traced, CalibrationData(inputs, batch=20), rows).values()
    assert min(rows, 3200) <= sum(map(len, layer.outputs)) <= most
    assert min(rows, 50) <= sum(map(len, head.outputs)) <= min(most, 50)
