"""Calibration data iterates batches, and refuses what no network could be calibrated by."""

from __future__ import annotations

import pytest
import torch

from nas.compression.calibration_data import CalibrationData

INPUTS, LABELS = torch.randn(5, 2), torch.arange(5)


def test_batches_cover_the_inputs_in_order() -> None:
    data = CalibrationData(INPUTS, LABELS, batch=2)
    assert [len(batch) for batch in data] == [2, 2, 1]
    assert torch.equal(torch.cat([*data]), INPUTS)
    assert torch.equal(torch.cat([labels for _, labels in data.labelled()]), LABELS)
    assert len(data.take(3)) == 3


def test_a_shuffle_keeps_inputs_and_labels_together() -> None:
    mixed = CalibrationData(INPUTS, LABELS).shuffled(torch.Generator().manual_seed(0))
    assert mixed.labels is not None
    assert torch.equal(mixed.inputs, INPUTS[mixed.labels])
    assert not torch.equal(mixed.labels, LABELS)


def test_one_of_every_few_inputs_is_dealt_apart() -> None:
    data = CalibrationData(INPUTS, LABELS)
    for every, together, judging in ((2, 1, [1, 3]), (4, 1, [3]), (2, 2, [2, 3])):
        dealt = data.deal(every, together)
        assert dealt is not None
        fitted, judged = (part.labels for part in dealt)
        assert fitted is not None
        assert judged is not None
        assert judged.tolist() == judging
        assert torch.equal(torch.cat([fitted, judged]).sort().values, LABELS)
        assert torch.equal(dealt[1].inputs, INPUTS[judging])
    assert data.deal(6) is None


def test_bad_data_is_refused() -> None:
    with pytest.raises(ValueError, match="needs one or more inputs"):
        CalibrationData(INPUTS[:0])
    with pytest.raises(ValueError, match="must be finite"):
        CalibrationData(INPUTS * torch.nan)
    with pytest.raises(ValueError, match="each of 5 inputs needs a label, got 4"):
        CalibrationData(INPUTS, LABELS[:4])
    with pytest.raises(ValueError, match="one or more inputs, got 0"):
        CalibrationData(INPUTS, batch=0)
    with pytest.raises(ValueError, match="needs labels"):
        CalibrationData(INPUTS).labelled()
