"""References name installed code; weights are data that is never unpickled; what is wrong is one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from nas.compression.tracing import reference
from nas.compression.tracing.reference import create_network, load_weights


class Executed:
    """Leaves a trace if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.embed, self.head = nn.BatchNorm1d(3), nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = "from torch import nn\ndef make_net():\n    return nn.Linear(2, 3)\nnumber, make_text = 3, str\n"
    (tmp_path / "models_of_mine.py").write_text(source)


@pytest.mark.usefixtures("models")
def test_a_callable_makes_a_network() -> None:
    assert isinstance(create_network("models_of_mine:make_net"), nn.Linear)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("resnet18", r"a network is written as my_package\.models:make_net, timm:resnet18 or .*; got 'resnet18'"),
        ("nowhere.models:make", r"a network is written as .*; nowhere\.models:make cannot be imported"),
        ("models_of_mine:nothing", r"models_of_mine:nothing cannot be imported"),
        ("models_of_mine:number", r"a network must be a callable, got int from models_of_mine:number"),
        ("models_of_mine:make_text", r"a network must be a torch\.nn\.Module, got str from 'models_of_mine:make_text'"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(written: str, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        create_network(written)


def test_a_configuration_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PreTrainedModel(nn.Module):
        def __init__(self, config: dict[str, int]) -> None:
            super().__init__()
            self.config = config

    package = SimpleNamespace(
        PreTrainedModel=PreTrainedModel, Net=PreTrainedModel, CONFIG_MAPPING={"net": dict}, os=SimpleNamespace()
    )
    monkeypatch.setattr(reference, "_package", lambda _: package)
    file = tmp_path / "config.json"

    def make(**settings: object) -> nn.Module:
        file.write_text(json.dumps(settings))
        return create_network(f"transformers:{file}")

    made = make(model_type="net", architectures=["Net"], hidden_size=8, attn_implementation="hub/kernel", auto_map={})
    assert made.config["hidden_size"] == 8
    assert made.config.keys().isdisjoint({"attn_implementation", "auto_map"})
    with pytest.raises(ValueError, match="architectures must name a model class of transformers, got 'os'"):
        make(model_type="net", architectures=["os"], auto_map={"AutoModel": "code.py"})
    with pytest.raises(ValueError, match="model_type must be one that transformers knows, got 'web'"):
        make(model_type="web", architectures=["Net"])
    with pytest.raises(ValueError, match="is a JSON file with model_type and architectures"):
        make(hidden_size=8)


def test_packages_that_are_not_there_are_named() -> None:
    with pytest.raises(ValueError, match=r"networks of no_such_package need that package.*; install it"):
        reference._package("no_such_package")


def test_weights_are_loaded_with_what_is_tied(tmp_path: Path) -> None:
    given, module = Tied(), Tied()
    save_model(given, tmp_path / "net.safetensors")
    load_weights(module, tmp_path / "net.safetensors")
    assert torch.equal(module.head.weight, given.embed.weight)


def test_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    torch.save({"weight": Executed(tmp_path / "executed")}, tmp_path / "net.pt")
    with pytest.raises(ValueError, match="weights must be a safetensors file, as a pickle can run code"):
        load_weights(nn.Linear(2, 2), tmp_path / "net.pt")
    assert not (tmp_path / "executed").exists()


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3, 2), "gain": torch.zeros(1)}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"lacks bias and has gain, weight in other shapes or besides"):
        load_weights(nn.Linear(2, 2), tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="weights must be a file that can be read"):
        load_weights(nn.Linear(2, 2), tmp_path / "none.safetensors")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_and_said(dtype: torch.dtype, tmp_path: Path) -> None:
    given, module = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    stored = {name: tensor.to(dtype) for name, tensor in given.state_dict().items() if tensor.is_floating_point()}
    stored["weight"] = torch.tensor([0.5, 0.3]).to(dtype)
    save_file(stored, tmp_path / "net.safetensors")
    assert load_weights(module, tmp_path / "net.safetensors") == [str(dtype).removeprefix("torch.")]
    assert torch.equal(module.weight, stored["weight"].float())
    save_model(given, str(tmp_path / "net.safetensors"))
    assert load_weights(module, tmp_path / "net.safetensors") == []


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool, torch.float64])
def test_other_types_are_refused_and_not_cast(dtype: torch.dtype, tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2, 2).to(dtype), "bias": torch.ones(2)}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=rf"weight of .* is {str(dtype)[6:]}, and the network has float32"):
        load_weights(nn.Linear(2, 2), tmp_path / "net.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["weight", "running_var"])
def test_numbers_that_are_not_finite_are_refused_by_name(value: float, name: str, tmp_path: Path) -> None:
    tensors = {key: tensor.clone() for key, tensor in nn.BatchNorm1d(2).state_dict().items()}
    tensors[name][1] = value
    save_file(tensors, tmp_path / "net.safetensors")
    module = nn.BatchNorm1d(2)
    with pytest.raises(ValueError, match=f"weights must be finite numbers, got others in {name} of .*net.safetensors"):
        load_weights(module, tmp_path / "net.safetensors")
    assert bool(module.state_dict()[name].isfinite().all())


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.write_bytes(b"")])
def test_what_is_no_file_of_weights_is_refused(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"weights must be a safetensors file.*; write them with safetensors"):
        load_weights(nn.Linear(2, 2), tmp_path / "net.safetensors")
