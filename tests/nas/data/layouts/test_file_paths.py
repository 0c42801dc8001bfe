"""Many paths take little memory, and those who are started with them take none again."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch.multiprocessing.queue import ForkingPickler

from nas.data.layouts.file_paths import FilePaths

ROOT = Path("/photos")
PATHS = [ROOT / "cat" / "a.png", Path("/elsewhere/b.png"), ROOT / os.fsdecode(b"caf\xc3\xa9\xff.png"), ROOT / "d"]


def test_they_are_the_paths_that_were_given_wherever_they_lie() -> None:
    paths = FilePaths.join([FilePaths.of(ROOT, PATHS[:1]), FilePaths.of(ROOT, []), FilePaths.of(ROOT, iter(PATHS[1:]))])
    assert [*paths] == [paths[row] for row in range(4)] == PATHS
    assert len(paths) == 4
    assert len(FilePaths.of(ROOT, [])) == 0


def test_a_path_takes_few_bytes() -> None:
    paths = FilePaths.of(ROOT, (ROOT / f"class{row // 100}" / f"{row:08}.png" for row in range(1000)))
    assert paths.nbytes < 32 * len(paths)


def test_what_is_sent_to_another_process_is_shared_with_it() -> None:
    paths = FilePaths.of(ROOT, PATHS)
    sent = ForkingPickler.loads(ForkingPickler.dumps(paths))
    assert sent[0] == PATHS[0]
    sent.names[:3] = torch.tensor([*b"dog"])
    assert paths[0] == ROOT / "dog" / "a.png"
