"""The latency of a file on this machine, against what was predicted for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hardware.device import read_fingerprint
from hardware.profiling.stopwatch import Stopwatch
from nas.verification.check import Check
from nas.verification.manifest import Latency, Manifest
from nas.verification.sessions import open_session, run_session

if TYPE_CHECKING:
    import onnxruntime

_BATCHES = (1, 8, 32)  # that are timed, besides the promised one, where a file takes any
# The most that a file may take of what was predicted: the speed of a machine varies, and its other work only slows it
# down; a layer that lost its integer kernel takes twice as long or more.
_MOST_OF_PREDICTED = 1.5


def check_latency(model: bytes, manifest: Manifest, inputs: NDArray[Any]) -> list[Check]:
    """Times a file at the batch that was promised, and at 1, 8 and 32 where it takes any.

    Args:
        model: The ONNX file.
        manifest: Its manifest.
        inputs: Samples, shape (samples, ...).
    """
    promised = manifest.latency
    fixed = manifest.target.batch
    first = fixed or (1 if promised is None else promised.batch)
    batches = [first] if fixed is not None else [*dict.fromkeys((first, *_BATCHES))]
    session = open_session(model)
    filled = [np.resize(inputs, (batch, *inputs.shape[1:])) for batch in batches]
    timings = Stopwatch(limit_s=10.0).time([partial(_run, session, part) for part in filled])
    checks = []
    for batch, timing in zip(batches, timings, strict=True):
        said = f"{timing.latency_ms:.4g} ms, spread {timing.spread:.1%}, {timing.repeats} runs on one thread"
        passed: bool | None = None
        if promised is None or promised.predicted_ms is None or batch != promised.batch:
            said += "; nothing was predicted"
        elif others := _list_others(promised):
            said += f"; {promised.predicted_ms:.4g} ms were predicted for {promised.device}, {', '.join(others)}"
        else:
            passed = bool(timing.latency_ms <= _MOST_OF_PREDICTED * promised.predicted_ms)
            said += f"; {promised.predicted_ms:.4g} ms were predicted"
            said += "" if passed else f", and {_MOST_OF_PREDICTED:g} times as much is the most"
        checks.append(Check(f"latency, batch {batch}", passed, said))
    return checks


def _run(session: onnxruntime.InferenceSession, inputs: NDArray[Any]) -> None:
    run_session(session, inputs)


def _list_others(promised: Latency) -> list[str]:
    """In what the device of a prediction is another than that of these timings."""
    device, _, rest = promised.device.partition(" on ")
    cpu = read_fingerprint()["cpu"]
    is_here = rest == cpu or rest.startswith((f"{cpu}, ", f"{cpu} (estimated)"))  # the settings follow the processor
    differs = {
        "by another runtime or processor than onnxruntime on a CPU": device != "onnxruntime_cpu",
        f"with {promised.threads} threads and not one": promised.threads != 1,
        f"on another processor than {cpu}": not is_here,
    }
    return [name for name, other in differs.items() if other]
