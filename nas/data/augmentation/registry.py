"""Augmentations by name, ready-made lists of them, and what a job asks for. Listing them loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.data.augmentation.augmentation import Augmentation, check_sequence
from nas.options import create_from_options
from search_spaces.quoting import quote
from search_spaces.registry import Located, Registry

_ROOM = "nas.data.augmentation"

AUGMENTATIONS: Registry[type[Augmentation]] = Registry(
    "augmentation",
    {
        "shift": Located(f"{_ROOM}.geometry", "Shift"),
        "flip": Located(f"{_ROOM}.geometry", "Flip"),
        "crop": Located(f"{_ROOM}.geometry", "RandomResizedCrop"),
        "color_jitter": Located(f"{_ROOM}.color_jitter", "ColorJitter"),
        "rand_augment": Located(f"{_ROOM}.rand_augment", "RandAugment"),
        "erasing": Located(f"{_ROOM}.erasing", "RandomErasing"),
        "mixup": Located(f"{_ROOM}.mixing", "Mixup"),
        "cutmix": Located(f"{_ROOM}.mixing", "CutMix"),
    },
    lambda entry: isinstance(entry, type) and issubclass(entry, Augmentation),
)

Entry = str | Mapping[str, Mapping[str, Any]]  # a name, or a name with its options, as a job lists them

AUGMENTATION_PRESETS: Registry[Sequence[Entry]] = Registry(
    "augmentation preset",
    {
        "none": (),
        # the usual one of CIFAR
        "small_images": ("shift", "flip"),
        # Cai et al., ICLR 2020, on ImageNet
        "ofa": ("crop", "flip", {"color_jitter": {"brightness": 0.125, "contrast": 0, "saturation": 0.5, "hue": 0}}),
        # Touvron et al., "Training data-efficient image transformers", ICML 2021; for trainings of hundreds of epochs
        "deit": (
            "crop",
            "flip",
            "rand_augment",
            "erasing",
            {"mixup": {"alpha": 0.8, "share": 0.5}},
            "cutmix",
        ),
    },
    lambda entry: isinstance(entry, list | tuple),
)


def read_augmentations(stated: object) -> tuple[Augmentation, ...]:
    """The augmentations that a job states.

    Args:
        stated: The name of a preset, or a list: of names, and of single names with options such as
            `{crop: {smallest: 0.3}}`.

    Raises:
        ValueError: If it is something else, a name or an option is unknown, or a value is not allowed. The message is
            one line.
    """
    if isinstance(stated, str):
        stated = _get_preset(stated)
    if not isinstance(stated, list | tuple):
        raise ValueError(f"must be the name of a preset or a list of augmentations, got {quote(stated)}")
    augmentations = tuple(_read_entry(entry) for entry in stated)
    check_sequence(augmentations)
    return augmentations


def _get_preset(name: str) -> Sequence[Entry]:
    if name not in AUGMENTATION_PRESETS and name in AUGMENTATIONS:
        raise ValueError(f"{name} is an augmentation, not a preset; write a list of one: [{name}]")
    return AUGMENTATION_PRESETS[name]


def _read_entry(entry: object) -> Augmentation:
    named = {entry: {}} if isinstance(entry, str) else entry
    if not isinstance(named, Mapping) or len(named) != 1:
        raise ValueError(f"an augmentation must be a name, or one name with its options, got {quote(entry)}")
    ((name, options),) = named.items()
    if not isinstance(name, str) or not isinstance(options, Mapping):
        raise ValueError(f"an augmentation must be a name with options by name, got {quote(entry)}")
    return create_from_options(AUGMENTATIONS[name], options, f"augmentation {name!r}")
