"""The section of a job file that says how trained networks are compressed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, model_validator

from nas.compression.equalization.registry import EQUALIZATIONS
from nas.compression.low_rank.registry import FACTORIZATIONS
from nas.compression.observers.registry import OBSERVERS
from nas.compression.quantizers.registry import QUANTIZERS
from nas.compression.rounding.registry import ROUNDINGS
from nas.jobs.files.section import Section
from search_spaces.quoting import quote

if TYPE_CHECKING:
    from nas.compression.methods import CompressionMethods

DEFAULT_FACTORIZATION = "svd"
LIGHT, FINETUNE = "light", "finetune"
PRESETS = (LIGHT, "full", FINETUNE)  # of `nas compress`
TRAINING: Final = "training"
DATA_FREE: Final = "data_free"


class CompressionSection(Section):
    """How the ranges of activations and the steps of weights are chosen, where a network is measured or exported.

    A step that a training with bits has learnt comes before that of the quantiser. `repair` is the recipe by which a
    given network is rounded and repaired; left out, its weights are rounded to the nearest codes. `equalization` is the
    first step of that recipe, and `rounding` how it rounds a layer. `factorization` says what layers of low rank of a
    given network keep. `calibration` says by which inputs a given network is calibrated, judged layer by layer and
    repaired: training samples, or images that are distilled from the network alone (`nas.compression.data_free`).
    """

    observer: Annotated[str, AfterValidator(OBSERVERS.check_name)] = "percentile_99_99"
    quantizer: Annotated[str, AfterValidator(QUANTIZERS.check_name)] = "min_max"
    repair: Literal["light", "full"] | None = None
    equalization: Annotated[str, AfterValidator(EQUALIZATIONS.check_name)] | None = None
    rounding: Annotated[str, AfterValidator(ROUNDINGS.check_name)] | None = None
    factorization: Annotated[str, AfterValidator(FACTORIZATIONS.check_name)] = DEFAULT_FACTORIZATION
    calibration: Literal["training", "data_free"] = TRAINING

    @model_validator(mode="after")
    def _has_the_repair_of_its_steps(self) -> CompressionSection:
        for name in ("equalization", "rounding"):
            if getattr(self, name) is not None and self.repair is None:
                raise ValueError(f"compression.{name} is a step of a repair; state compression.repair, such as light")
        return self

    def described(self) -> dict[str, Any]:
        """What names runs: no recipe, and other defaults that came later, have no key, as in runs of before."""
        usual = {"factorization"} if self.factorization == DEFAULT_FACTORIZATION else set()
        usual |= {"calibration"} if self.calibration == TRAINING else set()
        return self.model_dump(exclude_none=True, exclude=usual)

    def methods(self) -> CompressionMethods:
        """The same as the engine has it; loads torch."""
        from nas.compression.methods import CompressionMethods
        from nas.compression.repair.recipe import RECIPES

        recipe = None if self.repair is None else RECIPES[self.repair]
        if recipe is not None and self.equalization is not None:
            recipe = replace(recipe, equalization=EQUALIZATIONS[self.equalization]())
        if recipe is not None and self.rounding is not None:
            recipe = replace(recipe, rounding=ROUNDINGS[self.rounding]())
        factorization = FACTORIZATIONS[self.factorization]()
        return CompressionMethods(OBSERVERS[self.observer](), QUANTIZERS[self.quantizer](), recipe, factorization)


def choose_repair(section: CompressionSection, preset: str | None) -> str:
    """The recipe by which `nas compress` repairs where the section states none.

    Args:
        section: The section of the job.
        preset: `light` or `full`, the recipe; or `finetune`, which repairs as `light` does. None is `light`.

    Raises:
        ValueError: If the preset is unknown, or the section states another recipe than it.
    """
    if preset not in (None, *PRESETS):
        raise ValueError(f"--preset must be {', '.join(PRESETS[:-1])} or {PRESETS[-1]}, got {quote(preset)}")
    repair = LIGHT if preset in (None, FINETUNE) else str(preset)
    if preset is not None and section.repair not in (None, repair):
        raise ValueError(
            f"--preset {preset} repairs by {repair}, the job by compression.repair: {section.repair}; take one"
        )
    return repair
