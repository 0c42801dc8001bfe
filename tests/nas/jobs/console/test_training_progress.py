"""What a training shows: a line on the console, and an event log that TensorBoard can read."""

from __future__ import annotations

import errno
import io
import re
import struct
from collections import defaultdict
from pathlib import Path

import pytest
from rich.console import Console
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import RecordWriter

from nas.jobs.console.reporter import Reporter
from nas.jobs.console.training_progress import follow_training
from nas.training.progress import StepReport


def events(path: Path) -> list[Event]:
    """All events of a log: records of length, check sum, event and check sum."""
    log, start, found = path.read_bytes(), 0, []
    while start < len(log):
        (length,) = struct.unpack_from("<Q", log, start)
        found.append(Event.FromString(log[start + 12 : start + 12 + length]))
        start += 12 + length + 4
    return found


def scalars(folder: Path) -> dict[str, dict[int, list[float]]]:
    """Values by step of every tag, as TensorBoard shows them: a start hides what came before from its step on."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((folder / "events").iterdir()):
        assert path.name.startswith("events.out.tfevents.")
        for event in events(path):
            if event.session_log.status == SessionLog.START:
                for steps in found.values():
                    for step in [step for step in steps if step >= event.step]:
                        del steps[step]
            for value in event.summary.value:
                found[value.tag][event.step].append(round(value.simple_value, 6))
    return {tag: dict(steps) for tag, steps in found.items()}


def report(step: int, loss: float, accuracies: dict[str, float] | None = None) -> StepReport:
    return StepReport(step, 400, step, 400, "all", loss, 0.1, 512.0, accuracies or {})


def followed(folder: Path, reports: list[StepReport], width: int = 200, terminal: bool = False) -> str:
    """What is shown of a training."""
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal)
    with follow_training(Reporter(console), "train the supernet", folder) as watch:
        for one in reports:
            watch(one)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_training_is_followed(tmp_path: Path) -> None:
    shown = followed(
        tmp_path,
        [
            StepReport(1, 3, 1, 9, "full", 2.5, 0.1, 640.0, {"largest": 11.0, "smallest": 9.0}),
            StepReport(
                2, 3, 5, 9, "all", 1.5, 0.2, 320.0, notes=("split leaf 0 by 0.0.kernel: 3 | 5 (separation 0.41)",)
            ),
        ],
    )
    # accuracies stay until there are new ones
    assert "train the supernet" in shown
    assert "5/9" in shown  # passes, by which the time left is told, as a step costs more in some phases
    assert "step 2/3 all: split leaf 0 by 0.0.kernel: 3 | 5 (separation 0.41)" in shown
    assert "step 2/3 all: loss 1.500, 320 images/s, accuracy largest 11.0 %, smallest 9.0 %" in shown
    assert scalars(tmp_path) == {
        "loss": {1: [2.5], 2: [1.5]},
        "learning_rate": {1: [0.1], 2: [0.2]},
        "images_per_s": {1: [640.0], 2: [320.0]},
        "accuracy/largest": {1: [11.0]},
        "accuracy/smallest": {1: [9.0]},
    }


@pytest.mark.parametrize("width", [80, 100, 120])
def test_count_and_time_left_are_shown_on_any_terminal(width: int, tmp_path: Path) -> None:
    accuracies = {f"leaf {number}, {name}": 81.0 for number in range(4) for name in ("largest", "smallest")}
    shown = followed(tmp_path, [report(12345, 2.5), report(12346, 1.5, accuracies)], width, terminal=True)
    *_, line, note = [line for line in re.split(r"[\r\n]+", re.sub("\x1b\\[[^a-zA-Z]*[a-zA-Z]", "", shown)) if line]
    assert "train the supernet" in line
    assert "━━━━━" in line
    assert "12346/400" in line
    assert line.rstrip().endswith("left 0:00:00")
    assert "all: loss 1.500, 512 images/s, accuracy leaf 0, largest 81.0 %" in note


def test_a_line_is_said_after_every_epoch_where_no_bar_moves(tmp_path: Path) -> None:
    shown = followed(tmp_path, [report(1, 2.5), report(2, 1.5, {"largest": 81.0}), report(3, 1.0)], width=80)
    said = [line for line in shown.splitlines() if line.startswith("step ")]
    assert len(said) == 1
    assert said[0].startswith("step 2/400 all: loss 1.500, 512 images/s, accuracy largest 81.0 %, ")
    assert said[0].endswith(" left")
    moving = followed(tmp_path, [report(1, 2.5, {"largest": 81.0})], terminal=True)
    assert not [line for line in moving.splitlines() if line.startswith("step ")]


def test_steps_that_are_made_again_are_shown_once(tmp_path: Path) -> None:
    followed(tmp_path, [report(step, 1.0) for step in (1, 2, 3, 4)])
    # killed, and gone on with from step 2; then its workers died, and went on from step 3
    followed(tmp_path, [report(step, 0.5) for step in (3, 4, 5)] + [report(step, 0.25) for step in (4, 5)])
    assert len(list((tmp_path / "events").iterdir())) == 2
    assert scalars(tmp_path)["loss"] == {1: [1.0], 2: [1.0], 3: [0.5], 4: [0.25], 5: [0.25]}


@pytest.mark.parametrize("method", ["write", "flush", "close"])
def test_a_full_disk_is_an_error_that_names_the_file(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with follow_training(Reporter(Console(file=io.StringIO())), "train", tmp_path) as watch:
        watch(report(1, 2.5))
    (first,) = (tmp_path / "events").iterdir()
    monkeypatch.setattr(RecordWriter, method, full)
    with pytest.raises(OSError, match="No space left") as caught:
        followed(tmp_path, [report(2, 2.5)])
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.filename).startswith(str(first)[:-15])
    assert len(events(first)) == 3
