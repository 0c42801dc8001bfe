"""Whole jobs on data as users have them; class names go along into checkpoints, results, pages and ONNX files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from rich.console import Console

from nas.data import sources
from nas.data.layouts.records import FileRecords
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.job_folder import open_job_folder
from nas.jobs.run import run_job, show_data
from nas.jobs.workspace import Workspace
from nas.tensor_files import read_header

NAMES = ("left", "right")


def draw(number: int, width: int, height: int) -> Image.Image:
    """A photo whose bright half tells its class, with noise, so that no two are alike."""
    pixels = np.random.default_rng(number).integers(0, 60, (height, width, 3), dtype=np.uint8)
    half = slice(0, width // 2) if number % 2 == 0 else slice(width // 2, width)
    pixels[:, half] += 180
    return Image.fromarray(pixels)


def parquet_of_hugging_face(root: Path) -> dict[str, object]:
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(NAMES)}}
    (root / "data").mkdir(parents=True)
    for split, start, count in (("train", 0, 120), ("test", 120, 30)):
        cells = []
        for number in range(start, start + count):
            stream = io.BytesIO()
            draw(number, 8, 8).save(stream, "png")
            cells.append({"bytes": stream.getvalue(), "path": None})
        table = pa.table({"image": cells, "label": [number % 2 for number in range(count)]})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        pq.write_table(table, root / "data" / f"{split}-00000-of-00001.parquet")
    return {}


def phone_photos(root: Path) -> dict[str, object]:
    """4:3, and half of them stored lying, with an orientation that says so."""
    for number in range(150):
        photo, exif = draw(number, 32, 24), Image.Exif()
        if number % 3 == 0:
            photo, exif[0x0112] = photo.transpose(Image.Transpose.ROTATE_90), 6
        path = root / NAMES[number % 2] / f"IMG_{number:04}.JPG"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path, "jpeg", exif=exif)
    (root / ".thumbnails").mkdir()
    return {"image_size": 8}


@pytest.mark.parametrize("write", [parquet_of_hugging_face, phone_photos])
def test_a_job_from_files_to_exported_networks(write: Callable[[Path], dict[str, object]], tmp_path: Path) -> None:
    sections = {
        "name": "mine",
        "data": {"source": str(tmp_path / "data"), "channels": 1} | write(tmp_path / "data"),
        "space": {"name": "resnet_digits", "policies": ["w32a32", "w8a8"]},
        "training": {"epochs": 2, "batch_size": 24, "flip": False},
        "search": {"searcher": "random", "evaluations": 8, "objectives": ["accuracy", "weight_bytes"]},
        "export": {"count": 2},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(sections))
    shown = io.StringIO()
    job, runs = load_job(tmp_path / "job.yaml"), tmp_path / "runs"
    opened = Workspace(job, runs, Reporter(Console(file=shown, width=200)))
    with open_job_folder(opened.folder), opened:
        run_job(opened)
        records = [opened.database.record(run) for run in opened.database.runs()["run"]]
    assert [record.inputs["outputs"] for record in records] == [[*NAMES]] * len(records)
    assert "2 classes with" in shown.getvalue()
    (checkpoint,) = runs.glob("mine/train-*/supernet.safetensors")
    assert read_header(checkpoint, "checkpoint", "")["names"] == [*NAMES]
    (page,) = runs.glob("mine/export-*/pareto.html")
    assert "Outputs: left, right." in page.read_text()
    for file in runs.glob("mine/export-*/*.onnx"):
        notes = {one.key: one.value for one in onnx.load(file).metadata_props}
        assert json.loads(notes["names"]) == [*NAMES]


def test_a_later_command_reads_no_sample_of_an_unchanged_large_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("_MOST_IN_MEMORY", "_SMALL_SPLIT"):  # all sets are large
        monkeypatch.setattr(sources, bound, -1)
    read, original = list[int](), FileRecords.read
    monkeypatch.setattr(FileRecords, "read", lambda self, rows: read.extend(rows) or original(self, rows))
    data = {"source": str(tmp_path / "data"), "channels": 1, "mean": [0.5], "std": [0.5], "cache_gb": 0}
    sections = {
        "name": "large",
        "data": data | phone_photos(tmp_path / "data"),
        "space": {"name": "resnet_digits", "policies": ["w8a8"]},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(sections))

    def digest(folder: str) -> str:
        sources._LOADED.clear()
        sources._arrange.cache_clear()
        read.clear()
        reporter = Reporter(Console(file=io.StringIO()))
        return Workspace(load_job(tmp_path / "job.yaml"), tmp_path / folder, reporter).data.digest

    first = digest("runs")
    assert sorted(read) == list(range(150))  # once, for the survey and for the digest
    assert digest("runs") == first
    assert read == []
    (touched := tmp_path / "data" / "left" / "IMG_0000.JPG").touch()
    assert digest("runs") == first
    assert len(read) == 150
    draw(1000, 32, 24).save(touched, "jpeg")
    assert digest("runs") == digest("elsewhere") != first


CLASSIFIER = """
import torch
from torch import nn
class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.place = nn.Embedding(60, 16, padding_idx=1), nn.Parameter(torch.zeros(12, 16))
        layer = dict(d_model=16, nhead=2, dim_feedforward=32, batch_first=True, dropout=0.0)
        self.mix = nn.TransformerEncoderLayer(**layer)
        self.head = nn.Linear(16, 2)
    def forward(self, tokens):
        words = self.embed(tokens) + self.place
        return self.head(self.mix(words).mean(1))
def make():
    torch.manual_seed(0)
    return Classifier()
def small():
    net = Classifier()
    net.embed = nn.Embedding(59, 16)
    return net
"""


def test_a_network_that_reads_texts_is_measured_searched_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference_data: Path
) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    monkeypatch.chdir(tmp_path)
    rows = pq.read_table(reference_data / "sst2" / "train.parquet").slice(0, 300)
    pq.write_table(rows, tmp_path / "train.parquet")
    words = ["[UNK]", "[PAD]", *sorted({word for text in rows["text"].to_pylist() for word in text.split()})[:58]]
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save("tokenizer.json")
    (tmp_path / "reading.py").write_text(CLASSIFIER)
    sections = {
        "name": "texts",
        "data": {"source": "train.parquet", "tokenizer": "tokenizer.json", "length": 12},
        "space": {"network": "reading:make", "inputs": [12], "policies": ["w32a32", "w8a8", "w4a8"]},
        "device": {"calibration_networks": 4},
        "search": {"searcher": "random", "evaluations": 8, "objectives": ["accuracy", "latency_ms", "weight_bytes"]},
        "export": {"count": 1},
    }
    Path("job.yaml").write_text(yaml.safe_dump(sections))
    shown = io.StringIO()
    opened = Workspace(load_job(Path("job.yaml")), tmp_path / "runs", Reporter(Console(file=shown, width=200)))
    with open_job_folder(opened.folder), opened:
        run_job(opened)
        show_data(opened)
    assert "texts of" in shown.getvalue()
    assert "fill all 12 tokens" in shown.getvalue()
    assert sum(text[:40] in shown.getvalue() for text in rows["text"].to_pylist()) >= 10  # examples
    (file, *_) = tmp_path.glob("runs/texts/export-*/*.onnx")
    stored = onnx.load(file)
    (argument,) = stored.graph.input
    assert argument.type.tensor_type.elem_type == onnx.TensorProto.INT64
    assert {one.key: one.value for one in stored.metadata_props}["pad"] == "1"
    sections["space"] = {"network": "reading:small", "inputs": [12], "policies": ["w8a8", "w4a8"]}
    Path("job.yaml").write_text(yaml.safe_dump(sections))
    other = Workspace(load_job(Path("job.yaml")), tmp_path / "runs", opened.reporter)
    with pytest.raises(
        ValueError, match=r"reading.py:\d+: .*; it got tokens below 60, the vocabulary of data.tokenizer"
    ):
        run_job(other)
