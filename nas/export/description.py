"""The manifest of an exported network: what its file is to be held against, by the policy and by torch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from torch import Tensor, nn

from nas.export.agreement import ExportMismatch, compute_reference
from nas.export.onnx_model import save_onnx
from nas.export.target import ExportTarget
from nas.export.weight_storage import predict_bytes
from nas.verification.check import find_failure
from nas.verification.checks import check_model
from nas.verification.layers import LayerCounts, LayerGraph
from nas.verification.manifest import Manifest, Size, StoredFile, Target, Value, describe_content
from nas.verification.manifest_file import locate_manifest, locate_samples, write_manifest, write_samples
from nas.verification.onnx_reader import Graph, read_graph
from nas.verification.parity import Reference
from nas.verification.sessions import optimize
from search_spaces.candidate import Candidate
from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.opaque import Opaque
from search_spaces.operators.weighted import Embedding

_PACKAGES = ("nas", "torch", "onnx", "onnxruntime")
_FLOAT_BYTES = 4
_MOST_SAMPLE_BYTES = 8 << 20  # beside a file


@dataclass(frozen=True)
class NetworkDescription:
    """What is said of a network beside its file.

    Attributes:
        candidate: The candidate, as the file computes it.
        layers: Its layers, in order.
        form: The format of the export.
        metrics: What is known of the file, by name of the metric.
    """

    candidate: Candidate
    layers: Sequence[LayerSpec]
    form: str = "mixed"
    metrics: Mapping[str, Value] = field(default_factory=dict)

    def write(self, model: bytes, path: Path, network: nn.Module, inputs: Tensor, target: ExportTarget) -> None:
        """Writes a file with its manifest and its samples, after all checks of it were made.

        All three are written to a folder beside, and moved from it once they pass. So a failure of any kind leaves what
        was there before, and nothing else.

        Args:
            model: The content of the ONNX file.
            path: Where the file is to be; an existing one is replaced.
            network: The network in torch.
            inputs: Inputs of it, shape (samples, ...), of which as many are kept as take 8 MiB.
            target: What the file is for.

        Raises:
            ExportMismatch: If a check failed.
            ValueError: If the file names an opset that the target cannot load.
            OSError: If a file cannot be written.
        """
        count = max(1, _MOST_SAMPLE_BYTES // max(1, inputs[:1].nbytes))
        kept = inputs[:count]
        reference = compute_reference(network, kept)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            draft = Path(folder, path.name)
            samples = write_samples(locate_samples(draft), kept.numpy(), reference.outputs)
            manifest = self._make_manifest((path.name, model), samples, reference, network, target)
            failed = find_failure(check_model(model, manifest, (kept.numpy(), reference.outputs)))
            if failed is not None:
                raise ExportMismatch(f"{path.name}, {failed.name}: {failed.detail}")
            write_manifest(manifest, draft.parent)
            save_onnx(model, draft)
            for one in (draft, locate_samples(draft), locate_manifest(draft)):
                one.replace(path.with_name(one.name))

    def _make_manifest(
        self,
        file: tuple[str, bytes],
        samples: StoredFile,
        reference: Reference,
        network: nn.Module,
        target: ExportTarget,
    ) -> Manifest:
        name, content = file
        graph = read_graph(content)
        target.check_opset(graph.opset, name)  # whatever has changed the file since it was written for the target
        run = _count_run(name, content, graph)
        policies = self.candidate.policy.layers
        return Manifest(
            describe_content(name, content),
            samples,
            candidate=self.candidate.key,
            form=self.form,
            kind="quantized" if reference.quantized else "fp32",
            policies={layer.name: str(policy) for layer, policy in zip(self.layers, policies, strict=True)},
            target=Target(target.runtime, target.oldest, graph.opset, target.batch, str(target.storage)),
            metrics=self.metrics,
            latency=None,
            size=Size(_count_bytes(self.layers, policies, target), _count_overhead(content, graph, network)),
            integer_layers=run.integer,
            float_layers=run.float,
            output_step=reference.step,
            versions={package: version(package) for package in _PACKAGES},
        )


def _count_run(name: str, content: bytes, graph: Graph) -> LayerCounts:
    """How many layers onnxruntime runs in integers, which must be those of the written graph."""
    run, written = LayerGraph(read_graph(optimize(content))).count_run(), LayerGraph(graph)
    least, most = written.count_written().integer, written.count_rounded()
    if not least <= run.integer <= most:
        raise ExportMismatch(
            f"{name}, integer layers: onnxruntime must run {least} to {most} layers in integers, which are rounded in "
            f"the file, and runs {run.integer}"
        )
    return run


def _count_overhead(content: bytes, graph: Graph, network: nn.Module) -> int:
    """Bytes of a file that are no weights of layers, which are all that a policy gives bits to."""
    weights = LayerGraph(graph).list_weights()
    others = 0
    for part in (module for module in network.modules() if isinstance(module, GraphNetwork)):
        layers = {layer.weight for layer in part.graph.layers}
        for node in part.graph.nodes:
            if isinstance(node.operator, Embedding):  # whose steps are looked up as its rows are
                quantizer = part.weight_quantizer(node.parameters[0])
                rounded = quantizer is not None and quantizer.bits != FULL_PRECISION_BITS
                others += _FLOAT_BYTES * part.tensor(node.parameters[0]).shape[0] * rounded
            # what is multiplied with and is the weight of no layer keeps its name, unless it is of an opaque node
            for name in {*node.parameters} - layers:
                if isinstance(node.operator, Opaque) or any(one.endswith(part.attribute(name)) for one in weights):
                    others += _FLOAT_BYTES * part.tensor(name).numel()
    return len(content) - max(sum(graph.stored[name].bytes for name in weights) - others, 0)


def _count_bytes(layers: Sequence[LayerSpec], policies: Sequence[LayerPolicy], target: ExportTarget) -> float:
    """Bytes of the weights of all layers at the bits of their policies: zeros are stored, too, and a weight per call.

    Calls of a shared layer may have the same weight in the file; in floating point, and where another normalisation is
    folded into each, they have weights of their own.
    """
    floats, codes, shared = 0.0, list[tuple[float, int]](), list[tuple[float, int]]()
    for layer, policy in zip(layers, policies, strict=True):
        for part, rest in expand_layer(layer, policy):
            tables = sum(isinstance(call.operator, Embedding) for call in part.calls)  # which are stored once
            copies = len(part.calls) - tables + int(tables > 0)
            if rest.weight_bits == FULL_PRECISION_BITS:
                floats += _FLOAT_BYTES * copies * part.weights
            else:
                once = (part.weights, rest.weight_bits if target.storage == "packed" else 8)
                codes, shared = [*codes, *[once] * copies], [*shared, once]
    return floats + max(predict_bytes(codes), predict_bytes(shared))
