"""Small files of ONNX with a manifest, written by hand, for the tests of what verifies files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import parser

from nas.verification.layers import LayerGraph
from nas.verification.manifest import Manifest, Size, StoredFile, Target
from nas.verification.manifest_file import write_manifest, write_samples
from nas.verification.onnx_reader import read_graph
from nas.verification.sessions import open_session, run_session

HEADER = '<ir_version: 10, opset_import: ["": 21]>'
FLOAT = """
    g (float[n, 4] images) => (float[n, 2] logits) <float[4, 2] weight = {1, 2, 3, 4, 5, 6, 7, -8}> {
        logits = MatMul (images, weight)
    }"""
QUANTIZED = """
    g (float[n, 4] images) => (float[n, 2] logits)
    <float step = {0.01}, uint8 zero = {128}, int8[4, 2] codes = {1, 2, 3, 4, 5, 6, 7, -8},
     float[2] steps = {0.5, 0.25}, int8[2] zeros = {0, 0}> {
        rounded = QuantizeLinear (images, step, zero)
        read = DequantizeLinear (rounded, step, zero)
        weight = DequantizeLinear <axis = 1> (codes, steps, zeros)
        logits = MatMul (read, weight)
    }"""
INPUTS = np.random.default_rng(0).random((64, 4), dtype=np.float32) - 0.5


def to_model(text: str) -> bytes:
    """The file of a graph in the text form of ONNX."""
    content: bytes = parser.parse_model(HEADER + text).SerializeToString()
    return content


def export(folder: Path, text: str, outputs: Any = None, **others: Any) -> Path:
    """Writes a graph as `net.onnx` with a manifest that is true but for what is given, and returns its path."""
    content, path = to_model(text), folder / "net.onnx"
    path.write_bytes(content)
    quantized = "QuantizeLinear" in text
    if outputs is None:
        outputs = run_session(open_session(content, optimized=False), INPUTS)
    graph = LayerGraph(read_graph(content))
    counts = graph.count_written()
    weights = sum(graph.graph.stored[name].bytes for name in graph.list_weights())
    manifest = Manifest(
        StoredFile.of(path),
        write_samples(folder / "net.npz", INPUTS, outputs),
        candidate="ab12",
        form="mixed",
        kind="quantized" if quantized else "fp32",
        policies={"only": "w8a8" if quantized else "w32a32"},
        target=Target("onnxruntime", (1, 20), graph.graph.opset, None, "bytes"),
        metrics={},
        latency=None,
        size=Size(weights, len(content) - weights),
        integer_layers=counts.integer,
        float_layers=counts.float,
        output_step=None,
        versions={},
    )
    write_manifest(replace(manifest, **others), folder)
    return path
