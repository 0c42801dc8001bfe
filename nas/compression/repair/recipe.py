"""How a network is rounded and repaired: a recipe, and the ready-made ones."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.repair.bias_tuning import BiasTuning
from nas.compression.repair.repair import Repair
from nas.compression.rounding.quant_ease import QuantEase
from nas.compression.rounding.rounding import Rounding

_DESCENT = QuantEase()


@dataclass(frozen=True)
class Recipe:
    """A rounding of all layers, one after the other, and repairs of the whole network.

    Attributes:
        rounding: Chooses the codes of each layer.
        sequential: Whether a layer is fitted to what it reads in the compressed network, so that it makes up for the
            layers before it; else to what it reads in the original one.
        rows: Number of outputs of each layer to which it is fitted: about that many, or all if there are fewer.
        damping: Share of the mean power of the inputs of a layer that is added to the power of each.
        repairs: Carried out in order after all layers are rounded. Each is kept only if the outputs on the data are
            then closer to the original ones (`repair.output_distance`).
        seed: Of the positions at which outputs are taken.

    Raises:
        ValueError: If there are no rows, or the damping is not above 0.
    """

    rounding: Rounding = _DESCENT
    sequential: bool = True
    rows: int = 16_384
    damping: float = 0.01
    repairs: tuple[Repair, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.rows >= 1:
            raise ValueError(f"a layer must be fitted to one or more outputs, got {self.rows}")
        if not 0 < self.damping < float("inf"):
            raise ValueError(f"the damping must be a number above 0, got {self.damping}")


LIGHT = Recipe()  # no gradients
FULL = Recipe(repairs=(BiasTuning(),))
RECIPES = {"light": LIGHT, "full": FULL}
