"""What a training shows: a line on the console, and an event log that TensorBoard can read."""

from __future__ import annotations

import io
import struct
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from tensorboardX.proto.event_pb2 import Event

from nas.jobs.events import following
from nas.jobs.reporter import Reporter
from nas.training.settings import Report


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Value by step of every tag of the one event log: records of length, check sum, event and check sum."""
    (path,) = (folder / "events").iterdir()
    log, start = path.read_bytes(), 0
    found: dict[str, dict[int, float]] = defaultdict(dict)
    while start < len(log):
        (length,) = struct.unpack_from("<Q", log, start)
        event = Event.FromString(log[start + 12 : start + 12 + length])
        for value in event.summary.value:
            found[value.tag][event.step] = round(value.simple_value, 6)
        start += 12 + length + 4
    return dict(found)


def test_a_training_is_followed(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    with following(Reporter(console), "train the supernet", tmp_path) as watch:
        watch(Report(1, 3, "full", 2.5, 0.1, 640.0, {"largest": 11.0, "smallest": 9.0}))
        watch(Report(2, 3, "all", 1.5, 0.2, 320.0))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    # accuracies stay until there are new ones
    assert "train the supernet" in shown
    assert "2/3" in shown
    assert "all: loss 1.500, 320 images/s, largest 11.0 %, smallest 9.0 %" in shown
    assert scalars(tmp_path) == {
        "loss": {1: 2.5, 2: 1.5},
        "learning_rate": {1: 0.1, 2: 0.2},
        "images_per_s": {1: 640.0, 2: 320.0},
        "accuracy/largest": {1: 11.0},
        "accuracy/smallest": {1: 9.0},
    }
