"""A candidate crosses the border between genes and values once each way on its way from asked to exported."""

from __future__ import annotations

import io
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml
from rich.console import Console

from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.run import export_job
from nas.jobs.workspace import Workspace
from results.evaluation import Evaluation
from search_spaces.candidate import Candidate
from search_spaces.families.mobilenet_v3 import MobileNetV3Space
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

HOUSE = Path(__file__).parents[2]
MOST_FILES = 30
SEARCH = {"evaluations": 16, "objectives": ["accuracy", "macs"], "verify": 5}  # by the default searcher


@pytest.fixture
def opened(job_file: Path, finished_run: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A job that is trained, with its search still to be made: 17 candidates are known, 16 measured, two exported."""
    runs = shutil.copytree(finished_run, tmp_path / "runs")
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(job_file.read_text()) | {"search": SEARCH}))
    with Workspace(load_job(path), runs, Reporter(Console(file=io.StringIO(), width=200))) as workspace:
        yield workspace


def test_each_candidate_is_decoded_once_and_encoded_once(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: Counter[bytes] = Counter()
    encoded: Counter[object] = Counter()
    decode, encode, encode_joint = JointSpace.decode, MobileNetV3Space.encode, JointSpace.encode

    def counted_decode(space: JointSpace, genes: Any) -> list[Candidate]:
        decoded.update(row.tobytes() for row in genes)
        return decode(space, genes)

    def counted_encode(space: MobileNetV3Space, architecture: Any) -> Any:
        encoded[architecture] += 1
        return encode(space, architecture)

    def counted_joint(space: JointSpace, candidates: Any) -> Population:
        encoded.update(candidate.key for candidate in candidates)
        return encode_joint(space, candidates)

    monkeypatch.setattr(JointSpace, "decode", counted_decode)
    monkeypatch.setattr(MobileNetV3Space, "encode", counted_encode)
    monkeypatch.setattr(JointSpace, "encode", counted_joint)
    exported = export_job(opened)
    assert len(exported.networks) == 2
    assert len(decoded) == 16
    assert set(decoded.values()) == {1}
    assert set(encoded.values()) == {1}


@contextmanager
def files_that_hold_candidates() -> Iterator[set[str]]:
    """The source files of which a function has a candidate, or a population or evaluation of them, in its hands."""
    found: set[str] = set()

    def holds(value: object, depth: int = 0) -> bool:
        if isinstance(value, Candidate | Population | Evaluation):
            return True
        return depth < 2 and isinstance(value, list | tuple) and bool(value) and holds(value[0], depth + 1)

    def watch(frame: FrameType, event: str, returned: object) -> None:
        file = frame.f_code.co_filename
        is_ours = event == "return" and file.startswith(str(HOUSE)) and "/tests/" not in file
        if is_ours and file not in found and any(map(holds, [returned, *frame.f_locals.values()])):
            found.add(file)

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def test_few_files_lie_on_its_way(opened: Workspace) -> None:
    with files_that_hold_candidates() as files:
        export_job(opened)
    names = sorted(str(Path(file).relative_to(HOUSE)) for file in files)
    assert "nas/search/runner/recorder.py" in names
    assert "nas/export/onnx_model.py" not in names  # an exporter sees a network
    assert len(names) <= MOST_FILES, names
