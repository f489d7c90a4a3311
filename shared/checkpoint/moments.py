"""What an optimiser remembers, as one dict of neutral arrays.

SGD's momentum, or AdamW's first moment, has the parameter's name, AdamW's second moment ``second.`` before it.
``steps``, int64 (), counts the steps that AdamW took.
"""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from shared.config.optimizers import ADAMW
from shared.config.recipe import Recipe

Arrays = dict[str, np.ndarray]
Array = TypeVar("Array")

SECOND, STEPS = "second.", "steps"


def no_moments(recipe: Recipe, weights: Mapping[str, np.ndarray]) -> Arrays:
    """Those of an optimiser that has taken no step with parameters like ``weights``."""
    still = {name: np.zeros_like(array) for name, array in weights.items()}
    return joined(still, still, 0) if recipe.optimizer == ADAMW else still


def paired(momentum: Mapping[str, Array], second: Mapping[str, Array]) -> dict[str, Array]:
    """Both under their names in one dict."""
    return {**momentum, **{SECOND + name: array for name, array in second.items()}}


def unpaired(both: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """The momentum and the second moment in what ``paired`` made, each under the parameters' names."""
    second = {name.removeprefix(SECOND): array for name, array in both.items() if name.startswith(SECOND)}
    return {name: array for name, array in both.items() if not name.startswith(SECOND)}, second


def joined(momentum: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray] | None, steps: int | None) -> Arrays:
    """The one dict; ``second`` and ``steps`` are None for SGD."""
    if second is None:
        return dict(momentum)
    return {**paired(momentum, second), STEPS: np.array(steps, np.int64)}


def separated(moments: Mapping[str, np.ndarray]) -> dict:
    """The fields of a Checkpoint that hold ``moments``: ``momentum``, ``second_moment`` and ``steps``."""
    momentum, second = unpaired({name: array for name, array in moments.items() if name != STEPS})
    steps = int(moments[STEPS]) if STEPS in moments else None
    return {"momentum": momentum, "second_moment": second or None, "steps": steps}
