"""All checks of an exported file: by numpy and onnxruntime alone, against the manifest beside it; and in OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hardware.input_file import read_input
from hardware.profiling.openvino_model import check_openvino, compile_openvino, count_integer_layers, read_version
from nas.verification.check import Check
from nas.verification.layers import LayerGraph
from nas.verification.manifest import Manifest
from nas.verification.manifest_file import read_manifest, read_samples
from nas.verification.onnx_reader import read_graph
from nas.verification.openvino_session import as_session
from nas.verification.parity import Reference
from nas.verification.sessions import open_session, optimize, run_session
from nas.verification.structure import (
    check_content,
    check_graph,
    check_layers,
    check_opset,
    check_size,
    check_stored,
)
from nas.verification.timing import check_latency
from search_spaces.quoting import describe_error

Samples = tuple[NDArray[Any], NDArray[Any]]
_OPENVINO = "outputs, in OpenVINO"


def verify_file(path: Path, in_openvino: bool = False) -> list[Check]:
    """Checks a file against the manifest and the samples beside it.

    Args:
        path: The ONNX file.
        in_openvino: Whether it is also run in OpenVINO.

    Returns:
        What every check found; if the content is not that of the manifest, of this check alone.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If there is no manifest, it or the samples are damaged or something else, or OpenVINO is asked for
            and not installed.
    """
    if in_openvino:
        check_openvino("--runtime openvino")  # before all else is checked
    content, manifest = read_input(path, most_bytes=2 << 30), read_manifest(path)  # a file of ONNX has 2 GiB at most
    whole = check_content(content, manifest)
    if not whole.passed:
        return [whole]
    samples = read_samples(path, manifest)
    checks = check_model(content, manifest, samples)
    if in_openvino:
        checks.append(_check_in_openvino(content, manifest, samples))
    if any(check.passed is False for check in checks):
        return [*checks, Check("latency", None, "of a file that passes all other checks")]
    return [*checks, *check_latency(content, manifest, samples[0])]


def check_model(content: bytes, manifest: Manifest, samples: Samples) -> list[Check]:
    """All checks of a file but those of its latency, which take seconds.

    Args:
        content: The ONNX file.
        manifest: Its manifest.
        samples: Inputs and what torch computes of them, shapes (samples, ...) both.

    Raises:
        ValueError: If the file is none of ONNX.
    """
    graph = read_graph(content)
    checks = [
        check_content(content, manifest),
        check_graph(content),
        check_opset(graph, manifest),
        check_stored(graph),
        check_size(content, manifest),
    ]
    try:
        exact = LayerGraph(graph).count_float_biases() == 0  # else kernels in integers round biases that torch did not
        checks.append(_check_parity(content, manifest, samples, optimized=False, exact=True))
        checks.append(_check_parity(content, manifest, samples, optimized=True, exact=exact))
        checks.append(check_layers(graph, read_graph(optimize(content)), manifest))
    except Exception as error:  # of onnxruntime, whose errors share no base
        checks.append(Check("onnxruntime", False, f"it must load and run the file, and says {describe_error(error)}"))
    return checks


def _check_in_openvino(content: bytes, manifest: Manifest, samples: Samples) -> Check:
    """Whether outputs in OpenVINO, whose kernels round in their own way, are those of torch."""
    inputs, outputs = samples
    try:
        model = compile_openvino(content)
        given = run_session(as_session(model), inputs)
        integers, layers = count_integer_layers(model)
    except RuntimeError as error:
        return Check(_OPENVINO, False, f"it must load and run the file, and says {describe_error(error)}")
    agreement = Reference(outputs, manifest.kind == "quantized", manifest.output_step).compare(given, exact=False)
    if agreement.fault:
        fault = agreement.fault.replace("onnxruntime", "OpenVINO")
        made_for, hint = manifest.target.runtime, ""
        if made_for != "openvino":
            hint = f"; it was exported for {made_for}: nas export KEY --runtime 'openvino>=2025.0'"
        return Check(_OPENVINO, False, fault + hint)
    found = f"{agreement.detail}; {integers} of {layers} layers run in integers in OpenVINO {read_version()}"
    return Check(_OPENVINO, True, found)


def _check_parity(content: bytes, manifest: Manifest, samples: Samples, optimized: bool, exact: bool) -> Check:
    inputs, outputs = samples
    reference = Reference(outputs, manifest.kind == "quantized", manifest.output_step)
    given = run_session(open_session(content, optimized), inputs)
    agreement = reference.compare(given, exact)
    name = "outputs, optimised" if optimized else "outputs, as written"
    return Check(name, not agreement.fault, agreement.fault or agreement.detail)
