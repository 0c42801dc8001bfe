"""Memory that the list of a million images in folders of classes takes, where it is made and in each loader process.

Writes a million empty files, lists them in a fresh process as a job does, and sends the records to two processes, which
read from them. What memory a process has to itself is compared with that of one which knows two thousand.

python benchmarks/file_lists.py FOLDER [--images 1000000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from report import row

CLASSES, LOADERS, READ = 1000, 2, 1000
COMMAND = "python benchmarks/file_lists.py FOLDER"


def write_files(folder: Path, images: int) -> None:
    """Empty files with names as long as those of ImageNet."""
    for number in range(CLASSES):
        (at := folder / f"n{number:08}").mkdir(parents=True, exist_ok=True)
        for image in range(images // CLASSES):
            (at / f"n{number:08}_{image:05}.JPEG").touch()


def private_bytes() -> int:
    """Memory that this process shares with no other."""
    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


def read_some(inputs: Any, found: Any) -> None:
    """The work of a loader process: reads samples that are spread over all, and tells its memory."""
    records = inputs.records
    for start in range(READ):
        records.read([start * len(inputs.rows) // READ])
    found.put(private_bytes())


def measure(folder: Path) -> dict[str, float]:
    """Lists a folder in this process and reads from it in others."""
    import torch
    from torch import multiprocessing

    from nas.data.decoding.image_decoder import ImageDecoder
    from nas.data.inputs import StoredInputs
    from nas.data.layouts.class_folders import ClassFolders
    from nas.data.reading import Columns

    before = private_bytes()
    records = ClassFolders().read(folder, Columns()).train
    after = private_bytes()
    inputs = StoredInputs(records, ImageDecoder(224), torch.arange(len(records)))
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    processes = [context.Process(target=read_some, args=(inputs, found)) for _ in range(LOADERS)]
    for process in processes:
        process.start()
    loaders = [found.get() for _ in processes]
    for process in processes:
        process.join()
    return {"parent": after - before, "loader": max(loaders)}


def run(folder: Path) -> dict[str, float]:
    """`measure` in a fresh process."""
    command = [sys.executable, __file__, str(folder), "--only"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", action="store_true")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.folder)))
        return
    folders = {count: options.folder / str(count) for count in (2 * CLASSES, options.images)}
    for count, folder in folders.items():
        if not folder.exists():
            write_files(folder, count)
    small, large = ([run(folder) for _ in range(options.repeats)] for folder in folders.values())
    count = options.images - 2 * CLASSES
    for where, target in (
        ("parent", "in the process that lists them: at most 100"),
        ("loader", "in each loader: near 0"),
    ):
        samples = [(two[where] - one[where]) / count for one, two in zip(small, large, strict=True)]
        said = f"Bytes of memory for each of {options.images:,} images in {CLASSES:,} folders of classes, {target}"
        print(
            row(said, samples, "{:.1f}", f"{options.repeats} run{'s' * (options.repeats > 1)}", COMMAND, threads=1),
            flush=True,
        )


if __name__ == "__main__":
    main()
