"""Creates given networks by reference, and loads their weights: the keys `network` and `weights` of a job file.

A reference names installed code, like an import. Weights and configurations are read as data: nothing in them is
executed or unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.tensor_files import read_tensors
from nas.user_code import import_callable, user_code
from search_spaces.quoting import quote_name

_COUNTER = "num_batches_tracked"  # buffer of batch norms that is not used in evaluation; older files lack it
_WIDENED = (torch.float16, torch.bfloat16)  # whose numbers are numbers of float32, too
_CODE = "_implementation"  # ending of the keys of a configuration that may name a kernel to be downloaded
_FORMS = "my_package.models:make_net, timm:resnet18 or transformers:path/to/config.json"


def create_network(reference: str) -> nn.Module:
    """The module that a reference stands for, with fresh weights.

    Args:
        reference: `my_package.models:make_net`, a callable without arguments that returns a module; `timm:` and the
            name of a model of timm; or `transformers:` and the path of a configuration file with the keys `model_type`
            and `architectures`.

    Raises:
        ValueError: If the reference is malformed, it cannot be imported, or the callable raises, as it does if it needs
            arguments, or returns no module.
    """
    source, _, name = reference.partition(":")
    if not source or not name:
        raise ValueError(f"a network is written as {_FORMS}; got {reference!r}")
    make = {"timm": _from_timm, "transformers": _from_transformers}.get(source)
    create = make(name) if make else import_callable(reference, "network")
    with user_code(reference):
        module = create()
    if not isinstance(module, nn.Module):
        raise ValueError(f"a network must be a torch.nn.Module, got {type(module).__name__} from {reference!r}")
    return module


def load_weights(module: nn.Module, path: Path) -> list[str]:
    """Loads the weights of a safetensors file into a module.

    Args:
        module: Changed in place.
        path: The file. It may lack weights that are tied to others, as safetensors stores these once, and the batch
            counters of batch norms. Numbers of float16 and bfloat16 are numbers of float32, too, and become these.

    Returns:
        Names of the types that became another one.

    Raises:
        ValueError: If the file is missing or no safetensors file, such as a pickle of `torch.save`, if its tensors
            have other names, shapes or types than those of the module, or if a number is not finite.
    """
    own = module.state_dict()
    state = _read_weights(path)
    loaded = {own[name].data_ptr() for name in state if name in own}
    needed = {name: tensor for name, tensor in own.items() if not name.endswith(_COUNTER)}
    missing = [name for name, tensor in needed.items() if name not in state and tensor.data_ptr() not in loaded]
    strange = [name for name, tensor in state.items() if name not in own or own[name].shape != tensor.shape]
    if missing or strange:
        raise ValueError(
            f"weights must be those of the network, name by name and of its shapes; {path} lacks {_shorten(missing)} "
            f"and has {_shorten(strange)} in other shapes or besides"
        )
    for name, tensor in state.items():
        _check_numbers(path, name, tensor, own[name])
    module.load_state_dict(state, strict=False)
    return sorted({_name_type(tensor) for name, tensor in state.items() if tensor.dtype != own[name].dtype})


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return read_tensors(path, "weights", "write them with safetensors.torch.save_model").tensors
    except ValueError as error:
        raise ValueError(
            f"weights must be a safetensors file, as a pickle can run code when it is read; {error}"
        ) from error
    except OSError as error:
        raise ValueError(f"weights must be a file that can be read, got {path} ({error})") from error


def _check_numbers(path: Path, name: str, tensor: Tensor, own: Tensor) -> None:
    """Refuses types that would be rounded, or mean something else than they say, and numbers that are not finite."""
    if tensor.dtype != own.dtype and not (own.dtype == torch.float32 and tensor.dtype in _WIDENED):
        raise ValueError(
            f"weights must be of the types that the network has, or of float16 or bfloat16 for float32; {name} of "
            f"{path} is {_name_type(tensor)}, and the network has {_name_type(own)}; store it so"
        )
    infinite = bool(own.isinf().any())  # a mask may be
    if not bool((~tensor.isnan() if infinite else tensor.isfinite()).all()):
        raise ValueError(f"weights must be finite numbers, got others in {name} of {path}")


def _name_type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _from_timm(name: str) -> Callable[[], Any]:
    timm = _package("timm")
    if name not in timm.list_models():  # others name repositories from which timm would load
        raise ValueError(f"the name of a timm model is one that timm.list_models() lists, got {name!r}")
    return partial(timm.create_model, name, pretrained=False)


def _from_transformers(name: str) -> Callable[[], Any]:
    """Creates a network of transformers by `model_type` and the first of `architectures`.

    Keys of the configuration that name code to be loaded are left out.
    """
    transformers = _package("transformers")
    try:
        settings = json.loads(Path(name).read_text(encoding="utf-8"))
        model_type, architecture = settings.pop("model_type"), settings["architectures"][0]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"a transformers network is a JSON file with model_type and architectures, got {name!r} ({error!r})"
        ) from error
    model = getattr(transformers, str(architecture), None)
    if not (isinstance(model, type) and issubclass(model, transformers.PreTrainedModel)):
        raise ValueError(f"architectures must name a model class of transformers, got {architecture!r} in {name!r}")
    if model_type not in transformers.CONFIG_MAPPING:
        raise ValueError(f"model_type must be one that transformers knows, got {model_type!r} in {name!r}")
    known = {key: value for key, value in settings.items() if key != "auto_map" and not key.endswith(_CODE)}
    return lambda: model(transformers.CONFIG_MAPPING[model_type](**known))


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(
            f"networks of {name} need that package, which cannot be imported ({error}); install it"
        ) from error


def _shorten(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(map(quote_name, names[:3]))}{more}" if names else "nothing"
