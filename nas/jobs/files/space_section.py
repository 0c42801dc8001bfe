"""The space section of a job file: a named space of networks, or one network that is given, and their policies.

It neither imports nor runs what it names.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from nas.compression.pruning.registry import IMPORTANCES
from nas.jobs.files.bounds import MOST_LISTED, MOST_NUMBERS, MOST_POLICIES, MOST_SIDE, MOST_WIDTHS, Selector
from nas.jobs.files.section import Section
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.families.given_blocks import list_blocks_beside_widths
from search_spaces.families.given_widths import GroupWidths
from search_spaces.joint_space import JointSpace
from search_spaces.network_graph import NetworkGraph
from search_spaces.policy_space import PolicyRule, PolicySpace
from search_spaces.presets import SPACES, create_space
from search_spaces.quoting import quote
from search_spaces.removable_blocks import RemovableBlocks
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import SearchSpace

STORED = "stored"  # before the path of a network that nas.compression.tracing.traced_file.save_traced wrote
Policies = Annotated[list[str], Field(max_length=MOST_POLICIES)]


class PolicyRuleSection(Section):
    """The policies of the layers of a name, an operator or a position; see `search_spaces.policy_space.PolicyRule`."""

    policies: Policies
    name: str | None = None
    operator: str | None = None
    position: Literal["first", "last"] | None = None

    @model_validator(mode="after")
    def _is_a_rule(self) -> PolicyRuleSection:
        self.rule()
        return self

    def rule(self) -> PolicyRule:
        """The rule as the engine has it."""
        return PolicyRule.from_json(self.model_dump(exclude_none=True))


class WidthsSection(Section):
    """How many channels the coupled groups of a given network may keep: `count` even parts, in multiples of `multiple`.

    The channels that `importance` scores least are removed first.
    """

    count: Annotated[int, Field(ge=2, le=MOST_WIDTHS)] = 4
    multiple: Annotated[int, Field(ge=1, le=MOST_SIDE)] = 8
    importance: Annotated[str, AfterValidator(IMPORTANCES.check_name)] = "surgeon"

    def list_widths(self, graph: NetworkGraph) -> GroupWidths:
        """The widths of each group of channels of a graph, rising."""
        groups = CoupledChannels.from_graph(graph).groups
        return tuple(group.list_even_widths(self.count, self.multiple)[::-1] for group in groups)


class SpaceSection(Section):
    """The networks, and the policies of their layers: `policies`, except for layers that `policies_for` names.

    Either `name` is the name of a space. The supernet is trained for the whole space; `only` restricts what is
    profiled, fitted and searched. It gives the values that remain of a dimension (`depth`) or of one gene (`0.depth`).

    Or `network` refers to a given network, see `nas.compression.tracing.reference.create_network`. `weights` is then
    the safetensors file of its weights, unless a callable creates it with them, and `inputs` the shape of one image,
    (channels, height, width), with equal height and width, or of the tokens of one text, (length,). A stored network,
    `stored:` and its path, has both in its file. With `widths` it is searched how many channels are kept, too, and with
    `blocks: removable` which blocks.
    """

    name: Annotated[str, AfterValidator(SPACES.check_name)] | None = None
    network: str | None = None
    weights: str | None = None
    inputs: Annotated[list[Annotated[int, Field(ge=1, le=MOST_SIDE)]], Field(min_length=1, max_length=3)] | None = None
    policies: Policies
    policies_for: Annotated[list[PolicyRuleSection], Field(max_length=MOST_LISTED)] = []
    only: Annotated[dict[str, Selector], Field(max_length=MOST_LISTED)] = {}
    widths: WidthsSection | None = None
    blocks: Literal["removable"] | None = None

    @field_validator("only", mode="before")
    @classmethod
    def _are_values(cls, only: object) -> object:
        for name, values in only.items() if isinstance(only, dict) else ():
            listed = isinstance(values, list) and all(type(value) in (int, float, str) for value in values)
            if not (isinstance(values, str) or listed):
                raise ValueError(
                    f"what is left of {quote(name)} is 'largest N' or a list of values, got {quote(values)}"
                )
        return only

    @field_validator("inputs")
    @classmethod
    def _are_square(cls, inputs: list[int] | None) -> list[int] | None:
        if inputs is not None and (len(inputs) == 2 or (len(inputs) == 3 and inputs[1] != inputs[2])):
            raise ValueError(
                f"inputs must be those of square images, (channels, side, side), or of tokens, (length,), got {inputs}"
            )
        if inputs is not None and not prod(inputs) <= MOST_NUMBERS:
            raise ValueError(f"inputs must have at most {MOST_NUMBERS:,} numbers, got {inputs}, {prod(inputs):,}")
        return inputs

    @field_validator("policies")
    @classmethod
    def _readable(cls, policies: list[str]) -> list[str]:
        PolicySpace.parse(policies)
        return policies

    @model_validator(mode="after")
    def _says_which_networks(self) -> SpaceSection:
        if (self.name is None) == (self.network is None):
            raise ValueError("either name, of a space, or network, which is given, must be there, and not both")
        if self.name is not None:
            if any(one is not None for one in (self.weights, self.inputs, self.widths, self.blocks)):
                raise ValueError(
                    f"weights, inputs, widths and blocks are those of a given network; leave them out of {self.name!r}"
                )
            further = [one for one in self.policy_space().all_policies if not one.is_of_bits_alone]
            if further:
                raise ValueError(
                    f"low rank, corrections, sparsity and groups are for a given network, and {self.name!r} is a "
                    f"supernet; leave out {', '.join(map(str, further))}"
                )
            JointSpace(self.restrict(create_space(self.name, image_channels=1, classes=2)), self.policy_space())
        elif self.stored is not None:
            if self.weights is not None or self.inputs is not None:
                raise ValueError(
                    f"a stored network has weights and inputs in its file; leave them out of {self.network!r}"
                )
        elif self.weights is None and str(self.network).startswith(("timm:", "transformers:")):
            raise ValueError(f"{self.network} comes without weights; name their safetensors file as weights")
        elif self.inputs is None:
            raise ValueError("a given network needs inputs, the shape of one image, such as [3, 32, 32]")
        if self.network is not None and self.only:
            raise ValueError("only narrows a space; a given network has no choices, so leave it out")
        return self

    def list_blocks(self, graph: NetworkGraph) -> tuple[str, ...]:
        """Names of the blocks of a graph that may be left out.

        Args:
            graph: The given network.

        Raises:
            ValueError: If blocks are to be left out, and there is none that can be.
        """
        if self.blocks is None:
            return ()
        beside = "" if self.widths is None else ", beside widths of the same channels,"
        found = RemovableBlocks.from_graph(graph).names if self.widths is None else list_blocks_beside_widths(graph)
        if not found:
            raise ValueError(
                f"space.blocks leaves out blocks between values of one shape{beside} through which all that follows "
                "must pass, and the network has none; take no space.blocks"
            )
        return found

    @property
    def stored(self) -> Path | None:
        """The file of a stored network; None if the section names a space, or a network that is made by code."""
        source, _, path = str(self.network).partition(":")
        return Path(path) if source == STORED else None

    def described(self) -> dict[str, Any]:
        """The keys that are given, for fingerprints; without those of a given network, whose content counts instead."""
        return self.model_dump(exclude_none=True, exclude={"network", "weights", "inputs"})

    def policy_space(self) -> PolicySpace:
        """The policies of all layers, and of those that are named."""
        return PolicySpace(PolicySpace.parse(self.policies).policies, tuple(one.rule() for one in self.policies_for))

    def restrict(self, whole: SearchSpace) -> SearchSpace:
        """The part of a space that `only` leaves."""
        return RestrictedSpace(whole, self.only) if self.only else whole
