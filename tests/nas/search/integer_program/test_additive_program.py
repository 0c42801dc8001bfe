"""Costs enter a program as the sums that they are: its optima are those of brute force."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.search.integer_program.additive_program import AdditiveProgram
from nas.search.integer_program.minimizer import AdditiveMinimizer
from search_spaces.additive_cost import AdditiveCost, DerivedColumn, Term
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.policy_space import PolicyRule, PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.value_selector import ValueSelector


def everything(space: JointSpace) -> Population:
    genes = np.indices(tuple(space.cardinalities)).reshape(len(space.cardinalities), -1).T
    return space.population(genes).unique()


def space_of(name: str, free: set[str], layers: str) -> JointSpace:
    """A part of a space: some genes are free, and the policies of some layers."""
    whole = create_space(name, 1, 10)
    only: dict[str, ValueSelector] = {one.name: [one.values[0]] for one in whole.choices if one.name not in free}
    compressed = PolicyRule(tuple(map(LayerPolicy.parse, ("w32a32", "w8a8", "w4a8"))), name=layers)
    return JointSpace(RestrictedSpace(whole, only), PolicySpace(rules=(compressed,)))


SPACES = {
    "widths": lambda: JointSpace(create_space("resnet_digits", 1, 10)),
    "widths and policies": lambda: space_of(
        "resnet_digits", {"resolution", "0.depth", "0.width", "0.1.ratio"}, "stages.0.?.conv?"
    ),
    "missing layers": lambda: space_of(
        "mobilenet_v3_digits", {"resolution", "0.depth", "0.1.kernel", "0.1.expand"}, "stages.0.1.*"
    ),
}


def price(layer: LayerSpec, policy: LayerPolicy) -> float:
    """No sum over genes: rising with the layer, by its own factor for a policy."""
    return np.sqrt(1.0 + layer.macs) / 50.0 * {32: 1.0, 8: 0.4, 4: 0.35}[policy.weight_bits] + 0.1


@pytest.fixture(scope="module", params=SPACES)
def whole(request: pytest.FixtureRequest) -> Population:
    return everything(SPACES[request.param]())


def test_optima_under_bounds_are_those_of_brute_force(whole: Population) -> None:
    space, rng = whole.space, np.random.default_rng(0)
    costs = [space.tabulate(price), network_cost(space, "weight_bytes"), network_cost(space, "macs")]
    values = np.array([cost(whole.genes) for cost in costs])
    minimizer, learnt = AdditiveMinimizer(space, costs), rng.normal(size=whole.one_hot().shape[1])
    slopes = [*minimizer.program.slopes, minimizer.program.extend_slope(learnt)]
    values = np.concatenate([values, [whole.one_hot() @ learnt]])
    for turn in range(8):
        main, bounded, other = rng.permutation(4)[:3]
        sign = rng.choice([-1.0, 1.0])
        most = [float(rng.choice(values[column])) for column in (bounded, other)]
        kept = (values[bounded] <= most[0]) & (values[other] <= most[1])
        found = minimizer.minimize(sign * slopes[main], [(slopes[bounded], most[0]), (slopes[other], most[1])], [])
        if not kept.any():
            assert found is None
            continue
        assert found is not None, turn
        row = int(np.flatnonzero((whole.genes == found).all(axis=1))[0])
        assert kept[row]
        assert sign * values[main, row] == pytest.approx((sign * values[main])[kept].min(), rel=1e-9)


def test_what_there_is_no_room_for_is_left_out() -> None:
    space = SPACES["widths"]()
    genes = space.sample(np.random.default_rng(0), 50).genes
    terms = space.tabulate(price).terms
    derived = Term((0, len(space.cardinalities)), np.array([[1.0, 2.0], [3.0, 5.0]]))
    cost = AdditiveCost([*terms, derived], [DerivedColumn((1, 2), np.array([[0, 1], [1, 0]], dtype=np.int32))])
    exact, small = AdditiveProgram(space, [cost]), AdditiveProgram(space, [cost], most_entries=40)
    assert exact.left_out[0].terms == (derived,)
    assert 1 < len(small.left_out[0].terms) < len(terms) + 1
    assert small.slopes.shape[1] < exact.slopes.shape[1]
    left = [AdditiveCost(program.left_out[0].terms, cost.derived)(genes) for program in (exact, small)]
    assert (left[1] > left[0]).all()
