"""Reading JPEG images of 224 pixels from Parquet shards, beside a plain decoder and `datasets` with torch's DataLoader.

Every reader runs in a process of its own with two loader processes, and gives batches of uint8 images in random order.
Speed is counted in images per second of processor time, of all its processes, as machines are shared; memory is the
largest sum over its processes, of resident pages (pages that several processes share count in each) and of
proportional ones (such pages count once).

python benchmarks/readers.py FOLDER [--images 200000] [--read 20000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
from report import row

SIDE, CLASSES, SHARD, GROUP = 224, 100, 2000, 100
BATCH, LOADERS, WARM_UP = 64, 2, 20
COMMAND = "python benchmarks/readers.py FOLDER"


def write_set(folder: Path, images: int) -> None:
    """Shards of JPEG images with 500 distinct pictures, each made unlike the others by a comment in its file."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    rng, encoded = np.random.default_rng(0), []
    for _ in range(500):
        coarse = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8)).resize((SIDE, SIDE))
        noise = rng.normal(0, 6, (SIDE, SIDE, 3))
        stream = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)).save(stream, "jpeg", quality=75)
        encoded.append(stream.getvalue())
    (folder / "data").mkdir(parents=True, exist_ok=True)
    splits = [("train", number, SHARD) for number in range(images // SHARD)] + [("test", 0, 500)]
    for split, number, count in splits:
        cells = [encoded[int(rng.integers(500))] + f"{split}{number}-{row}".encode() for row in range(count)]
        labels = rng.integers(0, CLASSES, count).tolist()
        path = folder / "data" / f"{split}-{number:05}-of-{images // SHARD if split == 'train' else 1:05}.parquet"
        pq.write_table(pa.table({"image": cells, "label": labels}), path, row_group_size=GROUP)


def decode_all(path: Path) -> float:
    """Decodes the images of a shard, without labels or order; returns the processor time that it took."""
    import pyarrow.parquet as pq
    from PIL import Image

    start = time.process_time()
    for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=["image"]):
        for cell in batch.column(0).to_pylist():
            np.asarray(Image.open(io.BytesIO(cell)).convert("RGB"))
    return time.process_time() - start


def plain(folder: Path, images: int) -> dict[str, float]:
    """As many processes as readers have, which do nothing but decode, a shard at a time."""
    shards = sorted(folder.glob("data/train-*"))[: max(LOADERS, images // SHARD)]
    with multiprocessing.get_context("spawn").Pool(LOADERS) as pool:
        return {"cpu": len(shards) * SHARD / sum(pool.map(decode_all, shards, chunksize=1))}


def ours(folder: Path) -> Iterator[int]:
    """The batches of a training, neither augmented nor normalised."""
    import torch

    from nas.data.normalization import Normalization
    from nas.data.sources import DataSource
    from nas.training.distributed.team import SingleProcess
    from nas.training.settings import TrainingSettings
    from nas.training.step.batches import TrainingBatches

    half = Normalization((0.5,) * 3, (0.25,) * 3)
    data = DataSource(str(folder), image_size=SIDE, normalization=half, loaders=LOADERS).load()
    batches = TrainingBatches(data, TrainingSettings(BATCH), 0, SingleProcess(), torch.device("cpu"))
    for step in itertools.count():
        yield len(batches.read(step))


def hugging_face(folder: Path) -> Iterator[int]:
    """`datasets` with torch's DataLoader, shuffled; its Arrow copy of the set is made before."""
    import datasets
    import torch
    from torch.utils.data import DataLoader

    files = {"train": str(folder / "data" / "train-*.parquet")}
    whole = datasets.load_dataset("parquet", data_files=files, cache_dir=str(folder.parent / "arrow"), split="train")
    whole = whole.cast_column("image", datasets.Image())

    def collate(rows: list[dict[str, object]]) -> torch.Tensor:
        return torch.from_numpy(np.stack([np.asarray(one["image"]) for one in rows]))

    for batch in DataLoader(whole, BATCH, shuffle=True, num_workers=LOADERS, collate_fn=collate):
        yield len(batch)


PLAIN = "plain decoder"
READERS: dict[str, Callable[[Path], Iterator[int]]] = {
    "ours": ours,
    "datasets + DataLoader": hugging_face,
}


class Memory(threading.Thread):
    """The largest memory of this process and all of its children together, in MB, sampled while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.resident = self.proportional = 0.0

    def run(self) -> None:
        while True:
            processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
            resident = proportional = 0.0
            for process in processes:
                try:
                    found = process.memory_full_info()
                except psutil.Error:
                    continue
                resident, proportional = resident + found.rss / 1e6, proportional + found.pss / 1e6
            self.resident, self.proportional = max(self.resident, resident), max(self.proportional, proportional)
            time.sleep(0.5)


def processor_seconds() -> float:
    """Processor time of this process and its children so far."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def measure(reader: str, folder: Path, images: int, of_memory: bool) -> dict[str, float]:
    """Reads so many images in this process, and looks either at its memory or at its speed, for one costs the other.

    Speed is that after the first 20 batches: by then processes are started and windows are read.
    """
    if reader == PLAIN:
        return plain(folder, images)
    memory, seen, begun, used = Memory(), 0, 0.0, 0.0
    if of_memory:
        memory.start()
    for number, count in enumerate(READERS[reader](folder)):
        if number == WARM_UP:
            begun, used, seen = time.perf_counter(), processor_seconds(), 0
        seen += count
        if number > WARM_UP and seen >= images:
            spent, wall = processor_seconds() - used, time.perf_counter() - begun
            found = {"cpu": seen / spent, "wall": seen / wall}
            return {"rss": memory.resident, "pss": memory.proportional} if of_memory else found
    raise ValueError(f"the set has fewer than {images} images")


def run(reader: str, folder: Path, images: int, of_memory: bool) -> dict[str, float]:
    """`measure` in a fresh process."""
    what = ["--memory"] if of_memory else []
    command = [sys.executable, __file__, str(folder), "--read", str(images), "--only", reader, *what]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--read", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.folder, options.read, options.memory)), flush=True)
        os._exit(0)  # loader processes are not waited for
    sets = {count: options.folder / str(count) for count in (options.images, 2 * options.images)}
    for count, folder in sets.items():
        if not folder.exists():
            write_set(folder, count)
    single, double = sets.values()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (PLAIN, *READERS)}
    twice = []
    for _ in range(options.repeats):
        found[PLAIN].append(run(PLAIN, single, options.read, False))
        for name in READERS:
            found[name].append(run(name, single, options.read, False) | run(name, single, options.read, True))
        twice.append(run("ours", double, options.read, True))
    repeats = f"{options.repeats} runs of {options.read:,} images, interleaved"

    def show(target: str, samples: list[float], form: str) -> None:
        print(row(target, samples, form, repeats, COMMAND, threads=1), flush=True)

    size = f"{options.images:,} JPEG images of {SIDE} pixels in Parquet shards, two loader processes"
    show(f"{size}: memory of all processes, at most 1.5 GB", [one["rss"] / 1e3 for one in found["ours"]], "{:.2f} GB")
    show("The same, shared pages counted once", [one["pss"] / 1e3 for one in found["ours"]], "{:.2f} GB")
    ratios = [two["rss"] / one["rss"] for one, two in zip(found["ours"], twice, strict=True)]
    show("Memory at twice the images over that: 1", ratios, "{:.3f}")
    speeds = [one["cpu"] / two["cpu"] for one, two in zip(found["ours"], found[PLAIN], strict=True)]
    show(
        "Our images per processor second over those of two processes that do nothing but decode: at least 0.9",
        speeds,
        "{:.3f}",
    )
    peer = found["datasets + DataLoader"]
    for name, key in (("processor second", "cpu"), ("second", "wall")):
        ratios = [one[key] / two[key] for one, two in zip(found["ours"], peer, strict=True)]
        show(f"Our images per {name} over those of `datasets` with torch's DataLoader: at least 1", ratios, "{:.3f}")
    ratios = [one["pss"] / two["pss"] for one, two in zip(found["ours"], peer, strict=True)]
    show("Our memory over theirs, shared pages counted once: at most 1", ratios, "{:.3f}")
    show("Our images per second", [one["wall"] for one in found["ours"]], "{:,.0f} images/s")


if __name__ == "__main__":
    main()
