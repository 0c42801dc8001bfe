"""Names of predictors. A new one is one new file and one line here; the contract tests then run on it."""

from __future__ import annotations

from collections.abc import Callable

from predictors.ensemble import EnsemblePredictor
from predictors.predictor import Predictor
from predictors.ridge import RidgePredictor
from search_spaces.registry import Registry

# It errs less than ridge on networks that it has never seen, and states its uncertainty truthfully.
DEFAULT_PREDICTOR = "ensemble"
_MEMBERS = 5  # more members take longer, and searches with them were measured to find nothing better

PREDICTORS: Registry[Callable[[int], Predictor]] = Registry(
    "predictor",
    {
        "ensemble": lambda seed: EnsemblePredictor(_MEMBERS, seed),
        "ridge": lambda _seed: RidgePredictor(),  # draws nothing at random
    },
)


def create_predictor(name: str = DEFAULT_PREDICTOR, seed: int = 0) -> Predictor:
    """A predictor that is not fitted yet.

    Args:
        name: A key of `PREDICTORS`.
        seed: Seed of whatever it draws at random.

    Raises:
        ValueError: If the name is unknown.
    """
    return PREDICTORS[name](seed)
