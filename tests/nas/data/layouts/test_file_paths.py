"""Many paths take little memory, and those who are started with them take none again."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import multiprocessing

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


def change(paths: FilePaths, labels: torch.Tensor) -> None:
    paths.names[:3] = labels


def test_another_process_shares_them() -> None:
    paths = FilePaths.of(ROOT, PATHS)
    process = multiprocessing.get_context("spawn").Process(
        target=change, args=(paths, torch.tensor([*b"dog"], dtype=torch.uint8))
    )
    process.start()
    process.join()
    assert paths[0] == ROOT / "dog" / "a.png"
