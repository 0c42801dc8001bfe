"""What features and outputs count."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.pruning.trajectory import Trajectory
from nas.compression.subject import CompressionSubject
from search_spaces.channels.coupled_channels import CoupledChannels


def test_features_count_as_much_as_is_said(subject: CompressionSubject) -> None:
    channels = CoupledChannels.from_graph(subject.traced.graph)
    outputs, both = (Trajectory(features_share=share).score(subject, channels) for share in (0.0, 3.0))
    assert both.mean() == pytest.approx(4 * outputs.mean())
    assert not np.allclose(both, 4 * outputs)


@pytest.mark.parametrize("options", [{"samples": 1}, {"features_share": float("nan")}, {"features_share": -1.0}])
def test_too_few_samples_and_odd_weights_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="two or more samples, with a weight of 0 or more"):
        Trajectory(**options)  # type: ignore[arg-type]
