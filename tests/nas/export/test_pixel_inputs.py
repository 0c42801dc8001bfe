"""A model that reads pixels computes what the program computes of the same images, of every size."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from nas.data.decoding.image_decoder import ImageDecoder
from nas.data.normalization import Normalization
from nas.data.reading import Fit
from nas.export.onnx_model import open_session, run_session
from nas.export.pixel_inputs import PixelInputs, read_pixels

GROUND = (200, 30, 90)
SIZES = [(32, 32), (100, 100), (64, 96), (33, 50), (20, 20), (10, 17), (48, 64)]


def identity(side: int) -> bytes:
    """A model that gives back its inputs."""
    value = f"float[n, 3, {side}, {side}]"
    text = (
        f'<ir_version: 7, opset_import: ["" : 13]> g ({value} images) => ({value} same) {{ same = Identity (images) }}'
    )
    return onnx.parser.parse_model(text).SerializeToString()


def draw_image(height: int, width: int) -> NDArray[np.uint8]:
    """An image with edges of every strength, some of which a bicubic filter oversteps."""
    small = np.random.default_rng(height * width).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize(("side", "resolution"), [(32, 24), (24, 24), (16, 24)])
def test_pixels_become_what_the_program_makes_of_them(fit: Fit, side: int, resolution: int) -> None:
    normalization = Normalization((0.4, 0.5, 0.45), (0.2, 0.3, 0.25))
    model = read_pixels(identity(resolution), PixelInputs(normalization, side, resolution, fit, GROUND))
    onnx.checker.check_model(model, full_check=True)
    session = open_session(model)
    for height, width in [*SIZES, (97, 60), (side, side)]:
        image = draw_image(height, width)
        decoded = ImageDecoder(side, 3, fit, GROUND).decode(image, "image")
        expected = normalization.inputs(torch.from_numpy(decoded.copy()).permute(2, 0, 1)[None], resolution).numpy()
        difference = np.abs(run_session(session, image[None]) - expected) * 0.3 * 255  # in bytes, at most
        if height > width:  # Pillow shrinks them in the other order, and rounds between
            assert difference.mean() < 0.5
            assert difference.max() < 5
        else:
            assert difference.mean() < 0.05, (height, width)  # ties are rounded otherwise
            assert difference.max() < 2
        if height == width == side:
            assert difference.max() < 1e-3


def test_a_network_may_call_its_own_input_pixels() -> None:
    text = """<ir_version: 7, opset_import: ["" : 13]>
        g (float[n, 1, 8, 8] pixels) => (float[n, 1, 8, 8] same) { pixels_0 = Relu (pixels) same = Relu (pixels_0) }"""
    model = onnx.parser.parse_model(text).SerializeToString()
    session = open_session(read_pixels(model, PixelInputs(Normalization((0.5,), (0.5,)), 8, 8, "crop")))
    assert [one.name for one in session.get_inputs()] == ["pixels__"]  # as the network has a pixels_0
    assert run_session(session, np.full((1, 9, 9, 1), 255, np.uint8)).max() == pytest.approx(1)


def test_a_grey_image_is_padded_with_the_grey_of_the_ground() -> None:
    inputs = PixelInputs(Normalization((0.5,), (0.5,)), 8, 8, "pad", GROUND)
    assert inputs.padding == (Image.new("RGB", (1, 1), GROUND).convert("L").getpixel((0, 0)),)


def test_what_no_node_does_is_refused() -> None:
    with pytest.raises(ValueError, match="is for images of 1 or 3 channels, and those of this job have 2"):
        PixelInputs(Normalization((0.5, 0.5), (0.5, 0.5)), 8, 8, "crop")
