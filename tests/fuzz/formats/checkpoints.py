"""Checkpoints of supernets, finished and unfinished, with a digest and of before; networks, traced and exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzzer import Attempt, Format, require
from mutations import mutate_bytes, mutate_json
from safetensors.torch import save_file
from torch import Tensor

from nas.compression.tracing.traced_file import load_traced
from nas.export.network_file import load_network
from nas.tensor_files import read_tensors, save_tensors
from nas.training.checkpoint import TrainingState, load_checkpoint, read_leaves
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.families.resnet import ResNetShape, ResNetSpace, ResNetStage

FIXTURES = Path(__file__).parents[2] / "fixtures"
TINY = ResNetSpace("tiny", ResNetShape((8, 12), 2, (3, 3), (0.5, 1.0), "conv", (ResNetStage((2, 4), (1, 2), 2),)), 1, 2)
Tensors = dict[str, Tensor]


def _change_tensor(tensors: Tensors, rng: Random) -> Tensors:
    """One change: of a type, of a shape or of a number; or a tensor is lost, there besides, or another's."""
    changed = {name: tensor.clone() for name, tensor in tensors.items()}
    name, other = rng.choice(sorted(changed)), rng.choice(sorted(changed))
    tensor = changed[name]
    what = rng.randrange(6)
    if what == 0:
        changed[name] = tensor.to(rng.choice([torch.int64, torch.bool, torch.int8, torch.float64, torch.float16]))
    elif what == 1:
        changed[name] = tensor[:0] if tensor.ndim and rng.random() < 0.5 else tensor.unsqueeze(0)
    elif what == 2 and tensor.is_floating_point() and tensor.numel():
        number = rng.choice([float("nan"), float("inf"), -float("inf"), 1e38, -1.0])
        tensor.view(-1)[rng.randrange(tensor.numel())] = number
    elif what == 3:
        del changed[name]
    elif what == 4:
        changed[rng.choice(["", "extra", f"{name}.extra", "training/x", "leaves.99.x", "x" * 5000])] = tensor.clone()
    else:
        changed[name] = changed[other].clone()
    return changed


def _mutate(content: bytes, header: dict[str, Any], tensors: Tensors, rng: Random, path: Path) -> bool:
    """Writes a mutated file; whether its digest, if it has one, cannot be right."""
    what = rng.random()
    if what < 0.4:
        changed = mutate_bytes(content, rng)
        path.write_bytes(changed)
        return changed != content
    document = mutate_json(header, rng) if what < 0.8 else header
    named = document if isinstance(document, dict) else {"": document}
    if isinstance(graph := named.get("graph"), dict):
        named = {**named, "graph": json.dumps(graph)}
    changed_tensors = tensors if what < 0.8 else _change_tensor(tensors, rng)
    if rng.random() < 0.3:
        path.unlink(missing_ok=True)
        save_file(changed_tensors, path, {"nas": json.dumps(named)})
        return False
    save_tensors(path, changed_tensors, named)
    return False


def _sound(state: TrainingState, supernet: Supernet) -> None:
    require(state.step >= 0, f"a step of {state.step}")
    for name, tensor in supernet.state_dict().items():
        require(bool(torch.isfinite(tensor).all()), f"{name} is not finite")
    for chances in state.policy_probabilities.values():
        require(min(chances) >= 0 and abs(sum(chances) - 1) < 1e-3, f"probabilities {chances}")
    for subspace in supernet.leaf_subspaces:
        require(len(subspace.open) == len(subspace.space.genes) and all(subspace.open), f"a leaf of {subspace.open}")


def _checkpoint(version: int, finished: bool) -> Callable[[Path], Attempt]:
    def prepare(folder: Path) -> Attempt:
        stored = read_tensors(FIXTURES / f"supernet-{version}.safetensors", "checkpoint", "")
        kept = {n: part for n, part in stored.tensors.items() if not (finished and n.startswith("training/"))}
        whole, path, expected = folder / "whole.safetensors", folder / "a.safetensors", build_supernet(TINY, 1)
        if version == 4:
            save_file(kept, whole, {"nas": json.dumps(stored.header)})
        else:
            save_tensors(whole, kept, stored.header)
        content, known = whole.read_bytes(), load_checkpoint(whole, expected)

        def attempt(rng: Random | None) -> Callable[[], object]:
            path.write_bytes(content)
            damaged = rng is not None and _mutate(content, stored.header, kept, rng, path)

            def read() -> None:
                loaded = build_supernet(TINY, 1)
                read_leaves(path, TINY)
                state = load_checkpoint(path, loaded)
                _sound(state, loaded)
                if damaged and version > 4:  # else nothing tells a flipped bit of a weight
                    weights, known_weights = loaded.state_dict(), expected.state_dict()
                    same = all(torch.equal(part, weights[name]) for name, part in known_weights.items())
                    require(same and (state.step, state.plan) == (known.step, known.plan), "it is damaged")

            return read

        return attempt

    return prepare


def _traced(folder: Path) -> Attempt:
    fixture, path = FIXTURES / "traced_network" / "network-2.safetensors", folder / "net.safetensors"
    stored, content = read_tensors(fixture, "network", ""), fixture.read_bytes()
    header, digest = {**stored.header, "graph": json.loads(stored.header["graph"])}, load_traced(fixture).digest()

    def attempt(rng: Random | None) -> Callable[[], object]:
        path.write_bytes(content)
        damaged = rng is not None and _mutate(content, header, stored.tensors, rng, path)

        def read() -> None:
            traced = load_traced(path)
            traced.space("given")
            require(not damaged or traced.digest() == digest, "it is damaged")
            traced.network()

        return read

    return attempt


def _exported(folder: Path) -> Attempt:
    fixture, path = FIXTURES / "exported_network" / "subnet-1.safetensors", folder / "net.safetensors"
    stored, content, known = read_tensors(fixture, "network", ""), fixture.read_bytes(), load_network(fixture)

    def attempt(rng: Random | None) -> Callable[[], object]:
        path.write_bytes(content)
        damaged = rng is not None and _mutate(content, stored.header, stored.tensors, rng, path)

        def read() -> None:
            state = load_network(path).state_dict()
            same = all(torch.equal(part, state[name]) for name, part in known.state_dict().items())
            require(same or not damaged, "it is damaged")

        return read

    return attempt


_KIND = "checkpoints and traced networks"
FORMATS = {
    "finished_checkpoint": Format(_KIND, _checkpoint(5, finished=True)),
    "unfinished_checkpoint": Format(_KIND, _checkpoint(5, finished=False)),
    "checkpoint_without_digest": Format(_KIND, _checkpoint(4, finished=False)),
    "traced_network": Format(_KIND, _traced),
    "exported_network": Format(_KIND, _exported),
}
