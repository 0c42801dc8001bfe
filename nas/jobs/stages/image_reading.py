"""Exported networks that read images as they are, checked on the images of a job."""

from __future__ import annotations

from torch import Tensor, nn

from nas.data.normalization import Normalization
from nas.data.reading import Reading
from nas.data.splits import DataSplits
from nas.export.agreement import check_agreement
from nas.export.onnx_model import open_session
from nas.export.pixel_inputs import PixelInputs, PixelNetwork, read_pixels

ImageReading = tuple[bytes, nn.Module, Tensor]
_CHECKED_IMAGES = 256  # on which torch and onnxruntime must agree


def take_inputs(data: DataSplits, resolution: int) -> Tensor:
    """Inputs on which torch and runtimes must agree, of validation samples, shape (samples, channels, height, width).

    Args:
        data: The samples.
        resolution: Height and width of the inputs, in pixels.
    """
    return data.transform.inputs(data.validation.take(slice(0, _CHECKED_IMAGES)).images, resolution)


def read_images(model: bytes, network: nn.Module, data: DataSplits, resolution: int, reading: Reading) -> ImageReading:
    """The model of a network that reads images as they are, of any height and width.

    Args:
        model: The ONNX model that reads inputs.
        network: The network of that model, in evaluation mode.
        data: The samples, on some of which both are compared.
        resolution: Height and width of the inputs, in pixels.
        reading: How the job reads images, of which it takes what becomes of those that are not square.

    Returns:
        The model, what it computes in torch, and images that both read, uint8 of shape (images, height, width,
        channels).

    Raises:
        ExportMismatch: If onnxruntime computes something else than torch.
        ValueError: If the samples are no images, or such as no node reads.
    """
    if not isinstance(data.transform, Normalization):
        raise ValueError("--images is for images, and what this network reads are none; leave it out")
    images = data.validation.take(slice(0, _CHECKED_IMAGES)).images
    inputs = PixelInputs(data.transform, images.shape[-1], resolution, reading.fit, reading.ground)
    built = read_pixels(model, inputs)
    wide, reader = images.permute(0, 2, 3, 1).contiguous(), PixelNetwork(network, inputs)
    check_agreement(reader, open_session(built), wide)
    return built, reader, wide
