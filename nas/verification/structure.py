"""Checks of a file that run no network: its content, its size, what it stores, and what the ONNX checker says."""

from __future__ import annotations

import hashlib

from nas.verification.check import Check
from nas.verification.layers import LayerGraph
from nas.verification.manifest import Manifest
from nas.verification.onnx_reader import Graph
from search_spaces.quoting import describe_error, list_names

CONTENT = "content"  # name of the check without which no other is worth anything
_SIZE_TOLERANCE = 0.03  # of the bytes of the weights: the last byte of each packed weight may be filled in part


def check_content(content: bytes, manifest: Manifest) -> Check:
    """Whether a file is the one that was exported, by its size and digest.

    Args:
        content: The ONNX file.
        manifest: Its manifest.
    """
    expected = manifest.file
    if len(content) != expected.bytes:
        return Check(CONTENT, False, f"the file has {len(content):,} bytes, and had {expected.bytes:,}: damaged")
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        return Check(CONTENT, False, "its digest is not that of the manifest: the file was damaged or changed")
    return Check(CONTENT, True, f"{len(content):,} bytes, sha256 {expected.sha256[:12]}")


def check_graph(content: bytes) -> Check:
    """Whether the ONNX checker takes a file, and strict inference of shapes finds no contradiction.

    Args:
        content: The ONNX file.
    """
    name = "ONNX checker"
    try:
        import onnx
    except ModuleNotFoundError:
        return Check(name, None, "needs onnx, which is not installed")
    try:
        onnx.checker.check_model(onnx.load_from_string(content), full_check=True)  # infers shapes in strict mode
    except Exception as error:  # of the checker, of shape inference and of protocol buffers, which share no base
        return Check(name, False, describe_error(error))
    return Check(name, True, f"onnx {onnx.__version__}, with strict shape inference")


def check_stored(graph: Graph) -> Check:
    """Whether every stored tensor is read.

    Args:
        graph: The graph of the file.
    """
    unread = graph.find_unread()
    if unread:
        return Check("stored tensors", False, f"all must be read by a node, and nothing reads {list_names(unread)}")
    return Check("stored tensors", True, f"all {len(graph.stored):,} are read")


def check_opset(graph: Graph, manifest: Manifest) -> Check:
    """Whether a file names the opset that was promised.

    Args:
        graph: The graph of the file.
        manifest: Its manifest.
    """
    target = manifest.target
    said = f"opset {graph.opset}, for {target.runtime} >= {'.'.join(map(str, target.oldest))}"
    if graph.opset != target.opset:
        return Check("opset", False, f"{said}; the manifest says {target.opset}")
    return Check("opset", True, said)


def check_size(content: bytes, manifest: Manifest) -> Check:
    """Whether a file is as small as the policy of its layers promises.

    Args:
        content: The ONNX file.
        manifest: Its manifest.
    """
    weights, overhead = manifest.size.weight_bytes, manifest.size.overhead_bytes
    said = f"{len(content):,} bytes; {weights:,.0f} of weights by the policy and {overhead:,} of everything else"
    if not len(content) - overhead <= (1 + _SIZE_TOLERANCE) * weights:
        return Check("size", False, f"{said}; it may have {_SIZE_TOLERANCE:.0%} more than these weights")
    return Check("size", True, said)


def check_layers(graph: Graph, optimized: Graph, manifest: Manifest) -> Check:
    """Whether as many layers run in integers and in floating point as were promised.

    More in integers are a fault, too: `WeightBiasQuantization` of onnxruntime rounds weights that are none of a
    quantised layer.

    Args:
        graph: The graph of the file.
        optimized: The graph that onnxruntime runs.
        manifest: The manifest of the file.
    """
    found, name = LayerGraph(optimized).count_run(), "integer layers"
    said = f"{found.integer} layers run in integers and {found.float} in floating point"
    promised = manifest.integer_layers, manifest.float_layers
    if (found.integer, found.float) == promised:
        return Check(name, True, said)
    written = LayerGraph(graph).count_written()
    fault = f"{said}, and the manifest says {promised[0]} and {promised[1]}"
    if found.integer > promised[0]:
        return Check(name, False, f"{fault}: onnxruntime rounds a layer that is none of integers")
    if (written.integer, written.float) != promised:
        fault += f"; the file is written for {written.integer} and {written.float}"
    return Check(name, False, fault)
