"""How a network is equalised, rounded and repaired: a recipe, and the ready-made ones."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.equalization.equalization import Equalization
from nas.compression.repair.batch_norm import BatchNormReestimation
from nas.compression.repair.bias_correction import BiasCorrection
from nas.compression.repair.bias_tuning import BiasTuning
from nas.compression.repair.repair import Repair
from nas.compression.rounding.quant_ease import QuantEase
from nas.compression.rounding.rounding import Rounding

_DESCENT = QuantEase()
_SINGLE = (BiasCorrection(), BatchNormReestimation())  # all that are registered and take no gradients


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
        equalization: Carried out before anything is rounded; None leaves the scales of channels as they are.
        nearest_from_bits: Least bits of a weight from which a layer keeps its nearest codes if these do better, on
            inputs that judge, than what is fitted to the others. With few bits they never do.
        judge_every: One of so many inputs judges. With fewer inputs all layers are fitted.
        single_steps: Repairs that uniform policies are tried with in place of all that the recipe does, besides those
            in `repairs`: each alone, after rounding to nearest codes. What does best on inputs that judge is kept.

    Raises:
        ValueError: If there are no rows, the damping is not above 0, the least bits are below 2, or all inputs would
            judge.
    """

    rounding: Rounding = _DESCENT
    sequential: bool = True
    rows: int = 16_384
    damping: float = 0.01
    repairs: tuple[Repair, ...] = ()
    seed: int = 0
    equalization: Equalization | None = None
    nearest_from_bits: int = 5
    judge_every: int = 4
    single_steps: tuple[Repair, ...] = _SINGLE

    def __post_init__(self) -> None:
        if not self.rows >= 1:
            raise ValueError(f"a layer must be fitted to one or more outputs, got {self.rows}")
        if not 0 < self.damping < float("inf"):
            raise ValueError(f"the damping must be a number above 0, got {self.damping}")
        if not self.nearest_from_bits >= 2:
            raise ValueError(f"codes have 2 bits or more, got nearest ones from {self.nearest_from_bits} bits")
        if not self.judge_every >= 2:
            raise ValueError(f"one of 2 or more inputs must judge what is fitted to the others, got {self.judge_every}")


LIGHT = Recipe()  # no gradients
FULL = Recipe(repairs=(BiasTuning(),))
RECIPES = {"light": LIGHT, "full": FULL}
