"""Folders of finished stages: the manifest, and the files that it names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pandas as pd
from fuzzer import Attempt, Format, require
from mutations import mutate_bytes, mutate_cells, mutate_json, to_csv

from nas.jobs.stage_folder import MANIFEST, StageFolder
from nas.jobs.stages.network_files import NETWORKS, make_once

_ROWS = [["role", "key", "accuracy", "test_accuracy", "file"], ["best", "0a1b2c3d", "98.5", "97.25", "best.onnx"]]
_LAYERS = [["file", "layer", "operator", "policy"], ["best.onnx", "stem", "conv", "w8a8"]]


def _make_network() -> bytes:
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("images", "logits")]
    graph = helper.make_graph([helper.make_node("Relu", ["images"], ["logits"])], "best", ends[:1], ends[1:])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def _stage(folder: Path) -> Attempt:
    """A folder of an export; whatever is changed in it is said, and nothing is made anew or believed."""
    whole, stage = folder / "whole", folder / "export-0a1b2c3d"

    def make() -> pd.DataFrame:
        (whole / "best.onnx").write_bytes(_make_network())
        (whole / "best.json").write_text("{}")  # manifest and samples, which a stage holds by their digests alone
        (whole / "best.npz").write_bytes(b"samples")
        (whole / "layers.csv").write_bytes(to_csv(_LAYERS))
        return pd.DataFrame([_ROWS[1]], columns=_ROWS[0]).astype({"accuracy": float, "test_accuracy": float})

    expected = make_once(whole, make, lambda _: None, ("layers.csv",))
    names = sorted(path.name for path in whole.iterdir())
    document = json.loads((whole / MANIFEST).read_text())

    def attempt(rng: Random | None) -> Callable[[], object]:
        shutil.rmtree(stage, ignore_errors=True)
        shutil.copytree(whole, stage)
        same = rng is None or not _damage(stage, names, document, rng)

        def read() -> None:
            def remake() -> pd.DataFrame:
                require(not (stage / MANIFEST).exists(), "it was made anew without a word")
                raise ValueError(f"{stage} is made anew")

            found = make_once(stage, remake, lambda _: None, ("layers.csv",))
            require(StageFolder(stage).holds(NETWORKS, "layers.csv"), "nothing is finished")
            require(same, "what was changed is believed")
            require(found.to_csv() == expected.to_csv(), "other networks")

        return read

    return attempt


def _damage(stage: Path, names: list[str], document: object, rng: Random) -> bool:
    """Changes a file; whether it means something else now."""
    path = stage / rng.choice(names)
    before = path.read_bytes()
    what = rng.random()
    if what < 0.1:
        path.unlink()
        return True
    if what < 0.2:
        other = stage / rng.choice(names)
        path.write_bytes(other.read_bytes())
        return other != path
    if path.name == MANIFEST and what < 0.6:
        path.write_text(json.dumps(mutate_json(document, rng)), errors="surrogatepass")
    elif path.suffix == ".csv" and what < 0.6:
        path.write_bytes(to_csv(mutate_cells([line.split(",") for line in before.decode().splitlines()], rng)))
    else:
        path.write_bytes(mutate_bytes(before, rng))
    if path.name == MANIFEST:
        try:
            return bool(json.loads(path.read_bytes()) != document)
        except (ValueError, RecursionError):
            return True
    return path.read_bytes() != before


FORMATS = {"stage": Format("folders of finished stages", _stage)}
