"""The inputs of both frameworks: the size of the ladder, its recipe, and weights, images, batches and masks."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from compare.frameworks.records import SIDES
from shared.checkpoint.moments import SECOND, STEPS
from shared.config.optimizers import ADAMW
from shared.config.randomness import dropout_mask, uniform_weights
from shared.config.recipe import PRESETS, Recipe
from shared.network.alexnet import hidden_units, parameters, pooled_units
from shared.worker.probe import MOMENTUM, WEIGHT, Arrays

STEPS_PER_EPOCH = 4
_IMAGES = 64
_ADAMW_STEPS = 4
_EPOCHS = 100
_ZERO_BIT = 0  # the bit whose hash logit is exactly 0 for every image


@dataclass(frozen=True)
class Scale:
    """Size of the ladder: network width, input side, batch, steps of the float64 and of the float32 trajectory."""

    name: str
    width: float
    input_px: int
    batch: int
    strict_steps: int
    steps: int
    optimiser_dtypes: tuple[str, ...] = ("float64", "float32")

    @property
    def resume_step(self) -> int:
        """The step after which the other framework goes on."""
        return self.strict_steps // 2


@dataclass(frozen=True)
class Setup:
    """The inputs of one ladder; ``arrays`` are those of ``make_inputs``.

    ``sides`` are compared: that of the reference is the second.
    """

    scale: Scale
    recipe: Recipe
    arrays: Arrays
    sides: tuple[str, str] = SIDES

    @property
    def reference(self) -> str:
        """The side that the other is compared with."""
        return self.sides[1]

    def beside(self, side: str) -> str:
        """The side that is not ``side``."""
        return self.sides[1 - self.sides.index(side)]

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """The learning rate of every step, dropping in the middle."""
        middle = self.scale.strict_steps // 2
        last = self.recipe.lr_drop_epoch
        return tuple(
            self.recipe.learning_rate_at(last + 1 + (s - middle) // STEPS_PER_EPOCH)
            for s in range(self.scale.strict_steps)
        )

    @property
    def saved_steps(self) -> tuple[int, ...]:
        """The steps (counted from 1) after which weights and momentum are compared."""
        wanted = {1, 2, 5, 10, 20, 50, 100, self.scale.steps, self.scale.resume_step, self.scale.strict_steps}
        return tuple(sorted(step for step in wanted if step <= self.scale.strict_steps))

    @property
    def first_labels(self) -> np.ndarray:
        """Labels of the first batch, int64 (batch,)."""
        return self.arrays["labels"][self.arrays["order"][0]]


def make_setup(scale: Scale, bits: int, sides: tuple[str, str] = SIDES) -> Setup:
    """The inputs of a ladder of ``scale`` and code length ``bits`` between two sides; equal for equal arguments."""
    recipe = ladder_recipe(scale, bits)
    return Setup(scale, recipe, make_inputs(scale, recipe), sides)


def ladder_recipe(scale: Scale, bits: int) -> Recipe:
    """The published recipe at the ladder's size, over enough epochs for the learning rate to drop three times."""
    settings = {"preset": "align", "bits": bits, "width": scale.width, "input_px": scale.input_px}
    settings |= {"epochs": _EPOCHS}
    return dataclasses.replace(PRESETS["paper"], **settings, batch_size=scale.batch, backbone="none")


def make_inputs(scale: Scale, recipe: Recipe) -> Arrays:
    """What every request starts from, by name.

    ``weight.NAME`` and ``momentum.NAME`` float32, with biases that are not zero; ``images`` uint8 (64, 32, 32, 3);
    ``labels`` int64 (64,); ``order`` int64 (steps, batch), the images of every step; ``mask6`` and ``mask7`` uint8
    (steps, batch, units), the dropout masks.
    """
    arrays = _weights(recipe)
    arrays |= {
        MOMENTUM + p.name: uniform_weights(recipe.seed, f"m.{p.name}", p.shape, 0.01) for p in parameters(recipe)
    }
    steps = max(scale.strict_steps, scale.steps)
    generator = np.random.RandomState(recipe.seed)
    arrays["images"] = photograph_crops(_IMAGES)
    arrays["labels"] = np.arange(_IMAGES, dtype=np.int64) % recipe.num_classes
    arrays["order"] = np.stack([generator.permutation(_IMAGES)[: scale.batch] for _ in range(steps)]).astype(np.int64)
    for name, layer, units in (("mask6", 0, pooled_units(recipe)), ("mask7", 1, hidden_units(recipe))):
        masks = [dropout_mask(recipe.seed, step, layer, (scale.batch, units)) for step in range(steps)]
        arrays[name] = np.stack(masks)
    return arrays


def adamw_start(setup: Setup) -> tuple[Recipe, Arrays]:
    """The ladder's recipe with AdamW, and the arrays that its steps start from: as after ``_ADAMW_STEPS`` steps."""
    recipe = dataclasses.replace(setup.recipe, optimizer=ADAMW)
    moments = {
        MOMENTUM + SECOND + p.name: 0.001 + uniform_weights(recipe.seed, f"v.{p.name}", p.shape, 0.0005)
        for p in parameters(recipe)
    }
    return recipe, setup.arrays | moments | {MOMENTUM + STEPS: np.array(_ADAMW_STEPS)}


def photograph_crops(count: int) -> np.ndarray:
    """uint8 (count, 32, 32, 3): pieces of scikit-learn's two bundled photographs, halved in size."""
    from sklearn.datasets import load_sample_images

    generator = np.random.RandomState(0)
    photographs = [photograph[::2, ::2] for photograph in load_sample_images().images]
    corners = generator.randint(0, (213 - 32, 320 - 32), size=(count, 2))
    return np.stack([photographs[i % 2][y : y + 32, x : x + 32] for i, (y, x) in enumerate(corners)])


def _weights(recipe: Recipe) -> Arrays:
    arrays = {}
    for p in parameters(recipe):
        fan_in = int(np.prod(p.shape[1:])) or 1
        bound = 0.05 if p.kind == "bias" else np.sqrt(4 / fan_in)
        arrays[WEIGHT + p.name] = uniform_weights(recipe.seed, p.name, p.shape, bound)
    arrays["weight.hash.weight"][_ZERO_BIT] = 0
    arrays["weight.hash.bias"][_ZERO_BIT] = 0
    return arrays
