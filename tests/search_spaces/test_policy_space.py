"""Rules give some layers policies of their own, and everything that follows keeps to them."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.analytic_costs.weight_bytes import WEIGHT_BYTES
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicyRule, PolicySpace, find_nearest_policy
from search_spaces.presets import create_space

W32, W8, W4 = map(LayerPolicy.parse, ("w32a32", "w8a8", "w4a8"))
RULES = (
    PolicyRule((W8,), position="first"),
    PolicyRule((W32, W8), name="stages.*.squeeze"),
    PolicyRule((W8, LayerPolicy.parse("w6a8")), operator="depthwise"),
    PolicyRule((W8,), operator="linear"),
)
ARCHITECTURES = create_space("mobilenet_v3_digits", 1, 10)
SPACE = JointSpace(ARCHITECTURES, PolicySpace((W32, W8, W4), RULES))


def wanted(name: str) -> tuple[LayerPolicy, ...]:
    if name in ("stem", "classifier"):
        return (W8,)
    if name.endswith("depthwise"):
        return RULES[2].policies
    return RULES[1].policies if name.endswith("squeeze") else (W32, W8, W4)


def test_every_candidate_keeps_to_the_rules_and_is_priced_by_its_own_policies() -> None:
    population = SPACE.sample(np.random.default_rng(0), 200)
    prices = SPACE.tabulate(WEIGHT_BYTES.layer_cost)(population.genes)
    seen = set()
    for candidate, price in zip(population.candidates, prices, strict=True):
        layers = ARCHITECTURES.layers(candidate.architecture)
        pairs = list(zip(layers, candidate.policy.layers, strict=True))
        assert all(policy in wanted(layer.name) for layer, policy in pairs)
        assert price == sum(WEIGHT_BYTES.layer_cost(layer, policy) for layer, policy in pairs)
        seen |= {(layer.name.rpartition(".")[2], policy) for layer, policy in pairs}
    assert {policy for name, policy in seen if name == "depthwise"} == set(RULES[2].policies)
    np.testing.assert_array_equal(SPACE.encode(population.candidates).genes, population.genes)


def test_the_first_rule_that_fits_counts() -> None:
    rules = (PolicyRule((W4,), name="stem"), PolicyRule((W8,), operator="convolution"))
    space = JointSpace(ARCHITECTURES, PolicySpace((W32,), rules))
    assert (space.slot_policies[0], set(space.slot_policies[1:-1]), space.slot_policies[-1]) == ((W4,), {(W8,)}, (W32,))


def test_what_a_layer_cannot_take_is_refused_before_anything_runs() -> None:
    refused = {
        "w8a8-rank0.5": r"depthwise cannot take w8a8-rank0.5, give it other policies by a rule: low rank is for linear",
        "w8a8-2:4": r"^stem cannot take w8a8-2:4, .* needs a multiple of 4 input channels, got 1$",
    }
    for text, message in refused.items():
        with pytest.raises(ValueError, match=message):
            JointSpace(ARCHITECTURES, PolicySpace.parse(["w8a8", text]))
    rules = (PolicyRule((W8,), operator="depthwise"), PolicyRule((W8,), name="*.squeeze"))
    assert JointSpace(ARCHITECTURES, PolicySpace((W8, LayerPolicy.parse("w8a8-rank0.9")), rules)).slots


def test_the_nearest_policy_is_so_in_every_part() -> None:
    texts = ("w8a8", "w4a8-rank0.5", "w4a8-sparse0.5", "w4a8-rank0.25", "w2a8-correct0.5")
    known = [LayerPolicy.parse(text) for text in texts]
    pairs = {"w4a8": 0, "w4a8-rank0.3": 3, "w3a8-rank0.6": 1, "w2a8-2:4": 2, "w8a8": 0, "w2a8": 4}
    for text, nearest in pairs.items():
        assert find_nearest_policy(LayerPolicy.parse(text), known) == nearest


def test_json_is_a_round_trip() -> None:
    assert PolicySpace.from_json(SPACE.policies.to_json()) == SPACE.policies


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"name": "trunk.*"}, r"is found by name=trunk\.\*; its layers are named like stem and classifier"),
        ({"operator": "attention"}, "and compute convolution, depthwise, linear"),
        ({}, "by one of name, operator and position, got nothing"),
        ({"name": "stem", "position": "first"}, "by one of name, operator and position, got name=stem position=first"),
        ({"position": "middle"}, "first or last, got 'middle'"),
        ({"name": "stem", "policies": ["w8a8", "w8a8"]}, "one or more distinct policies, got w8a8, w8a8"),
        ({"name": "stem", "policies": []}, "one or more distinct policies, got none"),
    ],
)
def test_rules_that_say_nothing_are_refused(rule: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JointSpace(ARCHITECTURES, PolicySpace((W32,), (PolicyRule.from_json({"policies": ["w8a8"], **rule}),)))
