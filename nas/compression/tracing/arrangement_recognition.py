"""Recognises the calls of torch that rearrange, pad or pool values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import fx

from nas.compression.tracing.call import Alias, Recognized, TorchCall, repeat_per_axis
from search_spaces.operators.arrangement import Flatten, GlobalPool, Pad, Pool, PoolKind, Reshape, Slice, Transpose

Found = Recognized | Alias | None


def recognize_split_output(call: TorchCall, source: fx.Node, index: int) -> Recognized | None:
    """One output of a split, as a slice of the tensor that is split; None if it is split along the batch.

    Args:
        call: The split.
        source: The tensor that is split.
        index: Index of the output.
    """
    outputs = call.node.meta["val"]
    if call.is_batch(call["dim"], source):
        return None
    axis = call.axis(call["dim"], source)
    starts = [0]
    for output in outputs:
        starts.append(starts[-1] + int(output.shape[axis]))
    return Recognized(Slice(axis, starts[index], starts[index + 1]), (source,))


def _same(call: TorchCall) -> Alias:
    return Alias(call["input"] if "input" in call.arguments else call["self"])


def _copy(call: TorchCall) -> Found:
    source = call["self"]
    return Alias(source) if source.meta["val"].dtype == call.node.meta["val"].dtype else None


def _reshape(call: TorchCall) -> Found:
    """A reshape of all axes but that of the batch; None if it joins the batch with another axis."""
    source, shapes = call["self"], [node.meta["val"].shape for node in (call["self"], call.node)]
    if len(shapes[0]) == len(shapes[1]) and all(a == b for a, b in zip(*shapes, strict=True)):
        return Alias(source)
    if any(call.batch.leads(shape) != 1 for shape in shapes):
        return None
    before, after = call.shape(source), call.batch.without(shapes[1])
    if len(after) == 1 and len(before) > 1:
        return Recognized(Flatten(), (source,))
    return Recognized(Reshape(after), (source,))


def _permute(call: TorchCall) -> Found:
    rank = call.rank(call["self"])
    return _ordered(call, [axis % rank for axis in call["dims"]])


def _swap(call: TorchCall) -> Found:
    order = [*range(rank := call.rank(call["self"]))]
    first, second = call["dim0"] % rank, call["dim1"] % rank
    order[first], order[second] = second, first
    return _ordered(call, order)


def _ordered(call: TorchCall, order: list[int]) -> Found:
    """The transpose to an order of all axes; None if it moves the batch axis."""
    if order == [*range(len(order))]:
        return Alias(call["self"])
    if order[0] != 0 or call.batch.leads(call["self"].meta["val"].shape) != 1:
        return None
    return Recognized(Transpose(tuple(axis - len(order) for axis in order[1:])), (call["self"],))


def _slice(call: TorchCall) -> Found:
    """A slice with constant bounds; an alias if it keeps the whole axis; None along the batch or with other bounds."""
    source, axis = call["self"], call.axis(call["dim"], call["self"])
    bounds = (call["start"], call["end"])
    if any(isinstance(bound, fx.Node) for bound in bounds):
        return None
    side = source.meta["val"].shape[axis]
    whole = bounds[0] in (None, 0) and bounds[1] in (None, 2**63 - 1) and call["step"] == 1
    if whole or (isinstance(side, int) and range(side)[slice(*bounds)] == range(side) and call["step"] == 1):
        return Alias(source)
    if call.is_batch(axis, source) or not isinstance(side, int):
        return None
    kept = range(side)[slice(*bounds)]
    return Recognized(Slice(axis, kept.start, kept.stop, call["step"]), (source,))


def _pad(call: TorchCall) -> Found:
    """A padding with a constant, whose amounts torch lists for the last axis first; None for other modes."""
    value = call["value"]
    sides = [*call["pad"]]
    if call.arguments.get("mode", "constant") != "constant" or any(isinstance(side, fx.Node) for side in sides):
        return None
    padding = tuple((sides[first], sides[first + 1]) for first in range(len(sides) - 2, -1, -2))
    if not any(map(any, padding)):
        return Alias(call["self"])
    if len(padding) >= call.rank(call["self"]):
        return None
    return Recognized(Pad(padding, float(value or 0)), (call["self"],))


def _global_pool(kind: PoolKind, call: TorchCall) -> Found:
    source, named = call["self"], call["dim"]
    if named is None or call.arguments.get("dtype") is not None:
        return None
    axes = tuple(sorted(call.axis(axis, source) for axis in ([named] if isinstance(named, int) else named)))
    if not axes or any(call.is_batch(axis, source) for axis in axes):
        return None
    return Recognized(GlobalPool(axes, kind, call["keepdim"]), (source,))


def _adaptive_pool(call: TorchCall) -> Found:
    """A pooling with windows of one size, if the output size divides the input size; else windows overlap, and None."""
    source, output = call["self"], tuple(call["output_size"])
    sides = call.shape(source)[-len(output) :]
    if sides == output:
        return Alias(source)
    if set(output) == {1}:
        return Recognized(GlobalPool(tuple(range(-len(output), 0)), keep=True), (source,))
    if any(side % parts for side, parts in zip(sides, output, strict=True)):
        return None
    window = tuple(side // parts for side, parts in zip(sides, output, strict=True))
    return Recognized(Pool("mean", window, window, (0,) * len(output)), (source,))


def _pool(kind: PoolKind, axes: int, call: TorchCall) -> Found:
    """A pooling over windows; None with a dilation or another divisor, which `Pool` does not have."""
    if call.arguments.get("divisor_override") is not None or set(
        repeat_per_axis(call.arguments.get("dilation", 1), 1)
    ) != {1}:
        return None
    kernel, padding = repeat_per_axis(call["kernel_size"], axes), repeat_per_axis(call["padding"], axes)
    stride = repeat_per_axis(call["stride"], axes) if call["stride"] else kernel
    counted = bool(call.arguments.get("count_include_pad", True))
    operator = Pool(kind, kernel, stride, padding, call["ceil_mode"], counted)
    return Recognized(operator, (call["self"],))


ARRANGEMENTS: Mapping[str, Callable[[TorchCall], Found]] = {
    "clone": _same,
    "alias": _same,
    "detach": _same,
    "contiguous": _same,
    "lift_fresh_copy": _same,
    "dropout": _same,
    "_to_copy": _copy,
    "type_as": _copy,
    "to.dtype": _copy,
    **dict.fromkeys(
        ("view", "_unsafe_view", "reshape", "flatten.using_ints", "unsqueeze", "squeeze.dim", "squeeze.dims", "expand"),
        _reshape,
    ),
    "permute": _permute,
    "transpose.int": _swap,
    "slice.Tensor": _slice,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "mean.dim": partial(_global_pool, "mean"),
    "amax": partial(_global_pool, "max"),
    "adaptive_avg_pool1d": _adaptive_pool,
    "adaptive_avg_pool2d": _adaptive_pool,
    "max_pool1d": partial(_pool, "max", 1),
    "max_pool2d": partial(_pool, "max", 2),
    "avg_pool1d": partial(_pool, "mean", 1),
    "avg_pool2d": partial(_pool, "mean", 2),
}
