"""Labels of channels: which elements of which axes must be kept or removed together, merged by union-find.

Independent of what operators there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.operator import Shape

Labels = NDArray[np.int64]
AxisLabels = Labels | None  # of the elements of an axis; None if all of them must stay
ValueLabels = tuple[AxisLabels, ...]  # of each axis of a value or of a stored tensor


class ChannelLabels:
    """The labels of all values and stored tensors of a graph, while its nodes are followed in order.

    Equal labels, and labels that were united, must be kept or removed together. What is fixed must stay.

    Args:
        graph: The graph; nothing of its inputs can be removed.

    Attributes:
        graph: The graph.
        values: Labels of the axes of every value so far, by name.
        tensors: Labels of the axes of every stored tensor so far, by name.
    """

    def __init__(self, graph: NetworkGraph) -> None:
        self.graph = graph
        self.values: dict[str, ValueLabels] = {name: (None,) * len(shape) for name, shape in graph.inputs}
        self.tensors: dict[str, ValueLabels] = {}
        self._parent: list[int] = []
        self._fixed: set[int] = set()

    def create(self, count: int) -> Labels:
        """New labels, each of its own, shape (count,)."""
        first = len(self._parent)
        self._parent += range(first, first + count)
        return np.arange(first, first + count, dtype=np.int64)

    def unite(self, first: AxisLabels, second: AxisLabels) -> None:
        """Makes the elements of two axes of one size depend on each other, in order; fixes one if the other is fixed.

        Args:
            first: Labels, shape (n,).
            second: Labels in the same shape.
        """
        if first is None or second is None:
            self.fix(first)
            self.fix(second)
            return
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            self._parent[self._find(one)] = self._find(other)

    def fix(self, *axes: AxisLabels) -> None:
        """Forbids to remove anything of some axes."""
        for labels in axes:
            if labels is not None:
                self._fixed.update(labels.tolist())

    def fix_value(self, name: str) -> None:
        """Forbids to remove anything of a value."""
        self.fix(*self.values[name])

    def label_tensor(self, name: str, labels: Sequence[AxisLabels]) -> None:
        """Labels a stored tensor, by one of the nodes that use it; what several say of it is united.

        Args:
            name: Name of the tensor.
            labels: Labels of each of its axes.
        """
        for axis, known in enumerate(self.tensors.setdefault(name, tuple(labels))):
            if known is not labels[axis]:
                self.unite(known, labels[axis])

    def shape(self, name: str) -> Shape:
        """The shape of a value for one input."""
        return self.graph.shapes[name]

    def finder(self) -> Callable[[AxisLabels], AxisLabels]:
        """What gives one label for all that are united, shape (n,); None if nothing of an axis may be removed.

        Labels of elements that must stay are -1. It holds for what is united and fixed so far.
        """
        fixed = {self._find(label) for label in self._fixed}

        def find(labels: AxisLabels) -> AxisLabels:
            if labels is None:
                return None
            roots = (self._find(label) for label in labels.tolist())
            found = np.array([-1 if root in fixed else root for root in roots], np.int64)
            return None if (found < 0).all() else found

        return find

    def _find(self, label: int) -> int:
        parent = self._parent
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label
