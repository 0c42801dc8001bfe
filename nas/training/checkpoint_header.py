"""The header of a checkpoint as a validated value: what the file holds, of which space, and how far it was trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field

from hardware.document import Document, make_document
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.quoting import describe_error, quote
from search_spaces.search_space import SearchSpace
from search_spaces.subspace import Subspace

FORMAT: Final = "nas-supernet"
VERSION: Final = 5
WITHOUT_DIGEST: Final = 4  # the version of before, whose files carry no digest
REMEDY = "delete it, then: nas train JOB"
_SUM_TOLERANCE = 1e-6  # of probabilities, which are sums of rounded numbers


def _check_row(row: list[float]) -> list[float]:
    if not (row and min(row) >= 0 and abs(math.fsum(row) - 1) <= _SUM_TOLERANCE):  # false for NaN, too
        raise ValueError("must be probabilities, which sum to 1")
    return row


class _Rule(Document):
    policies: list[str]
    name: str | None = None
    operator: str | None = None
    position: Literal["first", "last"] | None = None


class _Policies(Document):
    policies: list[str]
    rules: list[_Rule]


class _Leaf(Document):
    """What one leaf of a split supernet serves: its policies, and the open values of every gene."""

    policies: _Policies
    open: list[list[Annotated[int, Field(ge=0)]]]


class CheckpointHeader(Document):
    """The header of a checkpoint.

    Attributes:
        format: The format, which is always the same.
        version: The version of the format.
        space: Name of the space.
        leaves: What the leaves of the supernet serve; empty if it was not split.
        weight_steps: Whether the layers have learnt quantisation steps.
        step: Number of finished steps.
        plan: The plan of the training as text, `TrainingPlan.identity`.
        names: Names of the outputs, such as classes, where the data state them; a finished supernet has them.
        policy_probabilities: The index of a policy gene, and the probabilities of its policies, for each of some genes.
    """

    format: Literal["nas-supernet"] = FORMAT
    version: Literal[4, 5] = VERSION
    space: str
    leaves: list[_Leaf]
    weight_steps: bool
    step: Annotated[int, Field(ge=0)]
    plan: str
    names: list[str] | None = None
    policy_probabilities: list[tuple[Annotated[int, Field(ge=0)], Annotated[list[float], AfterValidator(_check_row)]]]

    @classmethod
    def read(cls, path: Path, header: Mapping[str, Any]) -> Self:
        """The header of a file.

        Args:
            path: The file, for errors.
            header: What JSON of the file says.

        Raises:
            ValueError: If format or version are not read by this program, or the header is damaged.
        """
        found, version = header.get("format"), header.get("version")
        if found != FORMAT or version not in (WITHOUT_DIGEST, VERSION) or isinstance(version, bool | float):
            raise ValueError(
                f"{path} is of format {quote(found)}, version {quote(version)}; a checkpoint that this program "
                f"reads is of format {FORMAT!r}, version {WITHOUT_DIGEST} or {VERSION}; use the program that wrote it, "
                f"or {REMEDY}"
            )
        lists = {**header, "policy_probabilities": _to_pairs(header.get("policy_probabilities"))}
        try:
            return make_document(lists, cls)
        except ValueError as error:
            raise ValueError(f"{path} has a damaged header: {error}; {REMEDY}") from error

    def read_leaves(self, path: Path, architectures: SearchSpace) -> tuple[Subspace, ...]:
        """The subspaces that the leaves serve; empty if the supernet was not split.

        Args:
            path: The file, for errors.
            architectures: The space of the supernet.

        Raises:
            ValueError: If a leaf has policies or open values that the space does not have.
        """
        try:
            return tuple(_read_leaf(architectures, leaf) for leaf in self.leaves)
        except ValueError as error:
            raise ValueError(f"{path} has a damaged header: leaves: {describe_error(error)}; {REMEDY}") from error


def describe_leaf(served: Subspace) -> dict[str, Any]:
    """What a leaf serves, as the header of a checkpoint says it."""
    return {"policies": served.space.policies.to_json(), "open": [[*values] for values in served.open]}


def _read_leaf(architectures: SearchSpace, leaf: _Leaf) -> Subspace:
    policies = PolicySpace.from_json(leaf.policies.model_dump(exclude_none=True))
    policies.check(architectures)
    space = JointSpace(architectures, policies)
    cardinalities = [int(count) for count in space.cardinalities]
    rising = [values and values == sorted({*values}) for values in leaf.open]
    if len(leaf.open) != len(cardinalities) or not all(rising):
        raise ValueError(f"open must be one or more rising values of each of {len(cardinalities)} genes")
    for gene, values, count in zip(space.genes, leaf.open, cardinalities, strict=True):
        if not values[-1] < count:
            raise ValueError(f"{gene.name} has {count} values, and number {values[-1]} is open")
    return Subspace(space, tuple(tuple(values) for values in leaf.open))


def _to_pairs(rows: Any) -> Any:
    """The same with tuples for pairs, which JSON does not have."""
    return [tuple(row) if isinstance(row, list) else row for row in rows] if isinstance(rows, list) else rows
