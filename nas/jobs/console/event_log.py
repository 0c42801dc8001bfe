"""An event log that TensorBoard reads, written by the calling thread.

tensorboardX's own writer has a thread, which dies when the disk is full, and its caller then waits for ever.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

_FLUSH_S = 1.0  # time between two flushes: TensorBoard sees steps soon, and short steps do not wait for the disk


class EventLog:
    """A new file of events.

    Args:
        folder: The folder of the file, which also contains the files of earlier starts.

    Attributes:
        path: The file.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = _free_path(folder)
        self._records = RecordWriter(str(self.path))
        self._step, self._flushed = float("inf"), 0.0
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds the values of a step; a step that is not after the last one hides the values from that step on.

        Args:
            step: Number of the step.
            scalars: Values by tag.

        Raises:
            OSError: If the file cannot be written; the error names it.
        """
        now = time.time()
        if step <= self._step:  # the first of this file, too: TensorBoard shows earlier starts along with it
            self._write(Event(wall_time=now, step=step, session_log=SessionLog(status=SessionLog.START)))
        self._step = step
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._write(Event(wall_time=now, step=step, summary=Summary(value=values)))
        if time.monotonic() - self._flushed >= _FLUSH_S:
            with _naming(self.path):
                self._records.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Writes what is not written yet; raises what `add` raises."""
        with _naming(self.path):
            self._records.close()

    def _write(self, event: Event) -> None:
        with _naming(self.path):
            self._records.write(event.SerializeToString())


def _free_path(folder: Path) -> Path:
    """Named as TensorBoard expects; a start within a second of another one gets a name that sorts after it."""
    second = int(time.time())
    while True:
        path = folder / f"events.out.tfevents.{second:010}.{socket.gethostname()}"
        if not path.exists():
            return path
        second += 1


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Adds the path to an OSError of the block, as errors of an open file do not name it."""
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        raise OSError(code, error.strerror or os.strerror(code), str(path)) from error
