"""Bounds of what files of settings hold, each with its reason: a slip of a digit is told at once, not after hours.

Where a number has a bound of its own besides, such as the training images for a batch, that is told where it is known.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nas.cluster import MOST_WORKERS

MOST_IN_FLIGHT = 2 * MOST_WORKERS  # candidates that are asked for and not told; more than workers only wait
MOST_EVALUATIONS = 1_000_000  # each is a row of the database, and of what a searcher and a page hold in memory
MOST_MEASURED = 10_000  # measurements that predictors learn from at once: their cost grows with the cube of the number
MOST_MEASUREMENT_S = 1e6  # of one candidate: eleven days; timers of the system overflow at twice as much
MOST_EPOCHS = 1_000_000  # of one training step each, more than a week on the smallest data
MOST_LEARNING_RATE = 1e4  # of a normalised network; a step of more is beyond what float32 weights recover from
MOST_WEIGHT_DECAY = 10.0  # a step takes the learning rate times this off a weight: beyond, more than all of it at 0.1
MOST_NODES = 100  # of a cell; those of published spaces have up to ten
MOST_LOSS_WEIGHT = 1e6  # of a term of a loss; beyond, float32 holds little of the other terms
MOST_IMAGES_AT_ONCE = 1_000_000  # in one batch: a gigabyte already for the smallest images
MOST_SIDE = 4096  # pixels of a side, or channels, of an image that a network takes
MOST_NUMBERS = 1 << 25  # in one image; activations take a hundred times as many, in gigabytes
MOST_THREADS = MOST_WORKERS  # of one inference
MOST_INPUTS = 4096  # per inference of a device; no network is served with more at a time
MOST_EXPORTED = 100  # networks; each is converted, checked and timed in seconds
MOST_VALUE = 1e15  # of a cost or an option; those of the largest networks are less, and products of twenty are finite
MOST_LISTED = 1000  # entries of a list or mapping that a person writes
MOST_WIDTHS = 64  # of a group of channels; what two groups decide together is tabulated for all pairs of widths
MOST_POLICIES = 200  # of one layer; there are fewer than that of different bits
MOST_OBJECTIVES = 20  # beyond ten, nearly all candidates are on the front
MOST_PHASES = 100  # of a schedule; published ones have up to ten
MOST_SUBNETS = 100  # of one training step, which takes as many times as long as one subnet; the sandwich rule has four
MOST_SEEDS = 1000  # of a comparison; intervals shrink with the root of the number
MOST_CLASS_WEIGHT = 1e6  # of a class in a loss; rarer classes than one of a million samples cannot be learnt
MOST_CLASSES = 100_000  # that are weighed; published data sets have up to 21,841
MOST_LEAVES = 64  # weights of a supernet are stored and trained once for each
MOST_BATCHES = 10_000  # over which gradients are averaged; their mean settles within hundreds

Finite = Annotated[float, Field(ge=-MOST_VALUE, le=MOST_VALUE, allow_inf_nan=False)]
Scalar = Annotated[int, Field(ge=-MOST_VALUE, le=MOST_VALUE)] | Finite | str
Selector = str | Annotated[list[Scalar], Field(max_length=MOST_LISTED)]  # see `search_spaces.value_selector`
Evaluations = Annotated[int, Field(ge=1, le=MOST_EVALUATIONS)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # as random generators and the database take it
Share = Annotated[float, Field(ge=0, le=1)]
Epochs = Annotated[float, Field(gt=0, le=MOST_EPOCHS, allow_inf_nan=False)]
LearningRate = Annotated[float, Field(gt=0, le=MOST_LEARNING_RATE, allow_inf_nan=False)]
