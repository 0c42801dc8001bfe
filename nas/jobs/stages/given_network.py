"""The given network of a job: created, loaded with its weights, traced, and checked against the images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.compression.tracing.reference import create_network, load_weights
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.compression.tracing.traced_file import load_traced
from nas.data.splits import DataSplits
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.space_section import SpaceSection
from nas.user_code import UserCodeError, user_code
from search_spaces.families.given import GivenSpace


def trace_network(
    section: SpaceSection, seed: int, reporter: Reporter, vocabulary: int | None = None
) -> TracedNetwork | None:
    """The network that a section gives; None if it names a space.

    Args:
        section: The space section of the job.
        seed: Seed of weights that the network draws at random, if none are given.
        reporter: Is told where weights are stored in another type than they are computed in.
        vocabulary: Number of different tokens, if the network reads tokens; None for images.

    Raises:
        ValueError: If the network cannot be created, run or traced, or the names, shapes or types of the weights are
            not those of the network, or a weight is not finite, or policies are named for a part that never runs, or
            the file of a stored network is not one.
    """
    if section.stored is not None:
        return _read_stored(section.stored)
    if section.network is None or section.inputs is None:
        return None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = create_network(section.network)
        if section.weights is not None and (stored := load_weights(module, Path(section.weights))):
            reporter.say(f"network  weights of {' and '.join(stored)} are computed in float32: {section.weights}")
        for name, weight in module.named_parameters():
            if not weight.isfinite().all():  # before the trace, which would fail by them with another word
                raise ValueError(f"weights must be finite numbers, got others in {name} of {section.network}")
        examples = torch.rand(2, *section.inputs) if vocabulary is None else _draw_tokens(section, vocabulary)
        called = _run(module, section.network, examples, vocabulary)
        traced = trace(module, [examples])
    if unsound := traced.list_unsound_tensors():
        raise ValueError(f"weights must be finite numbers, got others in {unsound[0]} of {section.network}")
    if idle := _list_idle(module, traced, called):
        _check_rules(section, idle)
        reporter.say(f"network  never run, and left out with their weights: {', '.join(idle)} of {section.network}")
    return traced


def _read_stored(path: Path) -> TracedNetwork:
    try:
        return load_traced(path, "name a file that nas.compression.tracing.traced_file.save_traced wrote")
    except OSError as error:
        raise ValueError(f"space.network must be a file that can be read, got {path} ({error})") from error


def _run(module: nn.Module, reference: str, examples: Tensor, vocabulary: int | None) -> set[nn.Module]:
    """Runs a network, and returns the modules that it called.

    What it raises by itself has a line of its own code, and a trace would not say which.
    """
    called = set[nn.Module]()
    hooks = [part.register_forward_hook(lambda part, *_: called.add(part)) for part in module.modules()]
    try:
        with user_code(reference), torch.no_grad():
            module.eval()(examples)
    except UserCodeError as error:
        if vocabulary is None:
            raise
        raise ValueError(f"{error}; it got tokens below {vocabulary}, the vocabulary of data.tokenizer") from error
    finally:
        for hook in hooks:
            hook.remove()
    return called


def _list_idle(module: nn.Module, traced: TracedNetwork, called: Collection[nn.Module]) -> list[str]:
    """Names of the parts that were not called, and none of whose weights the trace found elsewhere.

    A part need not be called to run: its weight may be standardised and then read by a function. What the trace holds
    is then another tensor, which has the name of the weight that it was computed from.
    """
    read = {tensor.data_ptr() for tensor in traced.parameters.values()}
    idle = []
    for name, part in module.named_modules():
        own = [*part.parameters(recurse=False)]
        runs = part in called or read & {parameter.data_ptr() for parameter in own}
        if own and not runs and not any(known.startswith(f"{name}.") for known in traced.parameters):
            idle.append(name)
    return idle


def _draw_tokens(section: SpaceSection, vocabulary: int) -> Tensor:
    """Tokens at random, int64, shape (2, length); the last of the vocabulary is among them."""
    assert section.inputs is not None
    tokens = torch.randint(0, vocabulary, (2, *section.inputs))
    tokens[0, 0] = vocabulary - 1  # an embedding with fewer rows than there are tokens fails here, not in the search
    return tokens


def _check_rules(section: SpaceSection, idle: Sequence[str]) -> None:
    """Raises ValueError if policies are named for a part that never runs; a pattern may be for others, too."""
    for rule in section.policies_for:
        if rule.name in idle:
            raise ValueError(
                f"space.policies_for names {rule.name}, which never runs in {section.network}; leave it out"
            )


def network_name(reference: str) -> str:
    """A short name of a network: that of its callable, its model, or its configuration file."""
    return Path(reference.rpartition(":")[2]).stem


def name_given(traced: TracedNetwork, section: SpaceSection) -> str:
    """The name of a given network in candidates: that by which a job refers to it, and what it is.

    Args:
        traced: The network.
        section: The space section of the job.
    """
    return f"{network_name(str(section.network))}-{traced.digest()[:8]}"


def create_given_space(traced: TracedNetwork, section: SpaceSection, name: str) -> GivenSpace:
    """The space of a given network, with the widths and blocks that a section asks for.

    Args:
        traced: The network.
        section: The space section of the job.
        name: What `name_given` gives.

    Raises:
        ValueError: If widths or blocks are asked for, and the network has none to choose.
    """
    blocks = section.list_blocks(traced.graph)
    if section.widths is None:
        return traced.space(name, blocks=blocks)
    # the importance decides for which channels a width stands
    return traced.space(f"{name}-{section.widths.importance}", section.widths.list_widths(traced.graph), blocks)


def check_network(traced: TracedNetwork, data: DataSplits) -> None:
    """Checks that a given network is one for these images.

    Args:
        traced: The network.
        data: The images.

    Raises:
        ValueError: If the network reads anything but one square image or one text, or another number of channels than
            the images have, does not return one output for each class or number, or runs at one batch size only.
    """
    graph = traced.graph
    read, outputs = [shape for _, shape in graph.inputs], [graph.shapes[name] for name in graph.outputs]
    sample = data.train.inputs.shape
    if len(read) != 1 or len(read[0]) != len(sample) or (len(read[0]) == 3 and read[0][1] != read[0][2]):
        found = " and ".join(map(str, map(list, read))) or "nothing"
        raise ValueError(f"a given network must read one sample like {list(sample)}, images square, got {found}")
    (shape,) = read
    if len(shape) == 1 and shape != data.train.inputs.shape:
        raise ValueError(f"space.inputs must be data.length, {list(data.train.inputs.shape)} tokens, got {list(shape)}")
    if len(shape) > 1 and shape[0] != data.channels:
        raise ValueError(f"space.inputs must have the {data.channels} channels of the images, got {list(shape)}")
    if (outputs != [(data.classes,)]) if data.labelled else [len(shape) for shape in outputs] != [1]:
        found = " and ".join(map(str, outputs))
        kind = "logits" if data.task.gives_probabilities else "numbers"
        raise ValueError(
            f"a given network must return one tensor of {data.classes or 'some'} {kind} per image, got {found}; "
            "name a callable that makes it for the outputs that the data need"
        )
    if graph.batch is not None:
        raise ValueError(f"a given network must run at any batch size, and cannot: {traced.why_fixed}")


def describe_network(traced: TracedNetwork, data: DataSplits) -> list[str]:
    """Lines that describe a given network: its size, operators that are not understood, and how images are resized.

    Args:
        traced: The network.
        data: The images.
    """
    graph = traced.graph
    calls = sum(len(layer.units) for layer in graph.layers)
    again = f", called {calls} times" if calls > len(graph.layers) else ""
    lines = [f"{len(graph.layers)} layers{again}, {len(graph.nodes)} operations, {graph.macs:,} MACs"]
    if traced.opaque:
        found = ", ".join(f"{target} ({count})" for target, count in sorted(traced.opaque.items()))
        lines.append(f"not understood, and run as it is at full precision: {found}")
    ((_, shape),), images = graph.inputs, data.train.inputs.shape
    if images != shape:
        lines.append(f"images of {'x'.join(map(str, images))} are resized to {'x'.join(map(str, shape))}")
    return lines
