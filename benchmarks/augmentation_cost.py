"""Processor time of every augmentation, per image, beside that of the training step that the images are for.

The step is the forward and backward pass of the largest network of a space. Kornia, where it is installed, has rows of
its own.

python benchmarks/augmentation_cost.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec

import torch

from nas.data.augmentation.augmentation import ImageBatch
from nas.data.augmentation.registry import AUGMENTATIONS
from search_spaces.elastic.supernet import build_supernet
from search_spaces.presets import create_space

SIZES = {32: ("mobilenet_v3_cifar", 64), 224: ("mobilenet_v3_imagenet", 16)}  # side: space, batch


def show(what: str, figures: Iterable[float]) -> None:
    print(f"| {what} | {' | '.join(f'{figure:,.0f}' for figure in figures)} |", flush=True)


def measure(call: Callable[[], object], images: int, seconds: float = 2.0) -> float:
    """Microseconds of processor time per image."""
    call()
    calls, start = 0, time.process_time()
    while calls < 3 or time.process_time() - start < seconds:
        call()
        calls += 1
    return (time.process_time() - start) / calls / images * 1e6


def draw_batch(side: int) -> ImageBatch:
    """Images as decoders give them, channels last: smooth pictures with noise."""
    count = SIZES[side][1]
    coarse = torch.randint(20, 236, (count, 3, side // 8, side // 8)).float()
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear") + 6 * torch.randn(3, side, side)
    pixels = smooth.clamp(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)
    return ImageBatch(pixels, torch.arange(count) % 10)


def measure_augmentation(name: str, side: int) -> float:
    augmentation, batch, generator = AUGMENTATIONS[name](), draw_batch(side), torch.Generator().manual_seed(0)
    return measure(lambda: augmentation.apply(batch, side, generator), len(batch.pixels))


def measure_step(side: int) -> float:
    space = create_space(SIZES[side][0], 3, 10)
    network = build_supernet(space, 0).extract(space.largest()).train()
    batch = draw_batch(side)
    inputs = (batch.pixels.float() / 255).contiguous(memory_format=torch.channels_last)
    return measure(
        lambda: torch.nn.functional.cross_entropy(network(inputs), batch.labels).backward(), len(batch.labels)
    )


def measure_kornia(name: str, side: int) -> float:
    import kornia.augmentation as kornia
    from kornia.augmentation.auto import RandAugment

    ours = {
        "crop": kornia.RandomResizedCrop((side, side)),
        "color_jitter": kornia.ColorJitter(0.4, 0.4, 0.4, 0.1),
        "rand_augment": RandAugment(2, 9),
        "erasing": kornia.RandomErasing(p=0.25),
    }
    batch = draw_batch(side)
    return measure(lambda: ours[name](batch.pixels.float() / 255), len(batch.pixels))


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"| microseconds per image | {' | '.join(f'{side} pixels' for side in SIZES)} |")
    print(f"| --- |{' ---: |' * len(SIZES)}")
    for name in AUGMENTATIONS:
        show(f"`{name}`", (measure_augmentation(name, side) for side in SIZES))
    if find_spec("kornia"):
        for name in ("crop", "color_jitter", "rand_augment", "erasing"):
            show(f"`{name}` by kornia", (measure_kornia(name, side) for side in SIZES))
    spaces = ", ".join(f"`{space}`" for space, _ in SIZES.values())
    show(f"step of the largest network: {spaces}", map(measure_step, SIZES))


if __name__ == "__main__":
    main()
