"""Data sets in every layout that is read: the bytes, cells and values of one of their files."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType

import torch
from fuzzer import Attempt, Format, require
from mutations import mutate_bytes, mutate_cells, mutate_json, to_csv

from nas.data.reading import Reading
from nas.data.sources import DataSource
from nas.data.splits import DataSplits

SIDE = 8
_WRITERS = Path(__file__).parents[2] / "nas" / "data" / "layouts" / "test_registry.py"


def _load_writers() -> ModuleType:
    """The test in which every layout is written, so that a new one is fuzzed, too."""
    name = "fuzzed_layouts"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _WRITERS)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _mutate(path: Path, content: bytes, rng: Random) -> bytes:
    """A mutated file: by its cells or values, if it is a text, or by its bytes."""
    if path.suffix in (".csv", ".tsv") and rng.random() < 0.6:
        separator = "\t" if path.suffix == ".tsv" else ","
        rows = [line.rsplit(separator, 1) for line in content.decode().splitlines()]
        return to_csv(mutate_cells(rows, rng)).replace(b",", separator.encode())
    if path.suffix == ".jsonl" and rng.random() < 0.6:
        lines = content.decode().splitlines()
        row = rng.randrange(len(lines))
        lines[row] = json.dumps(mutate_json(json.loads(lines[row]), rng))
        return "\n".join(lines).encode()
    if path.suffix == ".json" and rng.random() < 0.8:
        return json.dumps(mutate_json(json.loads(content), rng)).encode()
    return mutate_bytes(content, rng)


def _check(data: DataSplits) -> None:
    """What was read can be data: labels of the classes, pixels of one shape, and samples in every split."""
    for split in (data.train, data.validation, data.test):
        labels = split.labels
        require(len(labels) > 0 and len(labels) == len(split.inputs), f"{len(labels)} labels")
        require(bool((labels >= 0).all() and (labels < len(data.names)).all()), f"labels {labels.unique().tolist()}")
        images, shape = split.images, (len(labels), data.channels, SIDE, SIDE)
        require(images.dtype == torch.uint8 and images.shape == shape, f"{images.dtype} of shape {images.shape}")
    require(all(isinstance(name, str) for name in data.names), f"classes {data.names}")
    require(len(set(data.names)) == len(data.names) > 1, f"classes {data.names}")
    numbers = torch.tensor([*data.normalization.mean, *data.normalization.std])
    require(bool(torch.isfinite(numbers).all() and (numbers >= 0).all()), f"normalised by {data.normalization}")


def _load(source: DataSource) -> DataSplits:
    try:
        return source.load()
    except ValueError as error:
        if "training" in str(error):  # of the whole set, whose place is known
            raise ValueError(f"{source.source}: {error}") from error
        raise


def _dataset(kind: str) -> Callable[[Path], Attempt]:
    def prepare(folder: Path) -> Attempt:
        root = folder / "data"
        root.mkdir()
        _load_writers().WRITERS[kind][1](root)
        inside = [*root.iterdir()]
        source = inside[0] if len(inside) == 1 and kind in ("datasets.save_to_disk", "MedMNIST") else root
        whole = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        listed = [path for path in whole if path.suffix not in (".png",)]
        seen: list[Path] = []

        def attempt(rng: Random | None) -> Callable[[], object]:
            for path in seen:
                path.write_bytes(whole[path])
            seen.clear()
            if rng:
                path = rng.choice(listed if listed and rng.random() < 0.9 else sorted(whole))
                seen.append(path)
                path.write_bytes(_mutate(path, whole[path], rng))
            number = 0 if rng is None else rng.randrange(2**31)
            link = folder / f"data-{number}{source.suffix}"  # what was read of a place is kept
            link.unlink(missing_ok=True)
            link.symlink_to(source)
            return lambda: _check(_load(DataSource(str(link), None, SIDE, number, reading=Reading())))

        return attempt

    return prepare


_SLOW = {"class folders": 0.5, "datasets.save_to_disk": 0.5}
FORMATS = {
    kind.replace(" ", "_"): Format("data sets", _dataset(kind), _SLOW.get(kind, 1.0))
    for kind in _load_writers().WRITERS
}
