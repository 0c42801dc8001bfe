"""A job states augmentations by a preset or a list; what is wrong with it is one line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from nas.data.augmentation.color_jitter import ColorJitter
from nas.data.augmentation.geometry import Flip, RandomResizedCrop
from nas.data.augmentation.mixing import CutMix, Mixup
from nas.data.augmentation.registry import AUGMENTATION_PRESETS, read_augmentations


def test_names_options_and_presets_become_values() -> None:
    assert read_augmentations(["flip", {"crop": {"smallest": 0.3}}, {"mixup": {}}]) == (
        Flip(),
        RandomResizedCrop(0.3),
        Mixup(),
    )
    assert read_augmentations("none") == read_augmentations([]) == ()
    assert read_augmentations("ofa")[2] == ColorJitter(0.125, 0.0, 0.5, 0.0)
    assert read_augmentations("deit")[-2:] == (Mixup(0.8, 0.5), CutMix(1.0, 1.0))
    for name in AUGMENTATION_PRESETS:
        read_augmentations(name)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (7, "must be the name of a preset or a list of augmentations, got 7"),
        ({"flip": {}}, "must be the name of a preset or a list of augmentations, got {'flip'"),
        ("flip", r"flip is an augmentation, not a preset; write a list of one: \[flip\]"),
        ("nobody", "unknown augmentation preset 'nobody'; known augmentation presets: none, small_images, ofa, deit"),
        (["nobody"], "unknown augmentation 'nobody'; known augmentations: shift, flip, crop"),
        ([3], "an augmentation must be a name, or one name with its options, got 3"),
        ([{}], "an augmentation must be a name, or one name with its options, got {}"),
        ([{"crop": {}, "flip": {}}], "an augmentation must be a name, or one name with its options, got {'crop'"),
        ([{"crop": 0.3}], "an augmentation must be a name with options by name, got {'crop': 0.3}"),
        ([{1: {}}], "an augmentation must be a name with options by name, got {1: {}}"),
        ([{"crop": {"scale": 1}}], "augmentation 'crop' has no option 'scale'; its options: smallest, largest, aspect"),
        ([{"crop": {"smallest": "small"}}], "option 'smallest' of augmentation 'crop': .* valid number, got 'small'"),
        ([{"crop": {"smallest": 0.5, "largest": 0.2}}], r"'crop': largest must lie in \[0.5, 1\], got 0.2"),
        ([{"flip": {"share": float("nan")}}], "'flip': share must be above 0 and at most 1, got nan"),
        ([{"rand_augment": {"operations": True}}], "option 'operations' of augmentation 'rand_augment': .*got True"),
        (["flip", "flip"], "must be listed once, got flip twice"),
        (["x" * 5000], "unknown augmentation"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(stated: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_augmentations(stated)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_listing_names_loads_no_torch() -> None:
    code = "from nas.data.augmentation.registry import AUGMENTATIONS; import sys; list(AUGMENTATIONS); "
    subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules"], check=True)
