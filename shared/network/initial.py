"""What both frameworks start from: weights given by a backbone, and random ones drawn once in NumPy."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from shared.config.randomness import changed_weight, uniform_weights
from shared.config.recipe import Recipe
from shared.network.alexnet import DROPOUT_PROBABILITY, RELU_LAYERS, Parameter, parameters

_AFTER_DROPOUT = ("fc6", "fc7")


def initial_weights(recipe: Recipe, backbone: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights both frameworks start from: ``backbone`` where it has them, random elsewhere.

    Layers before a ReLU are He-uniform with zero bias, U(+-sqrt(6/fan_in)) (He et al., ICCV 2015, eq. 10); fc6
    and fc7 see inputs whose second moment dropout has multiplied by 1/keep, so there it is sqrt(6*keep/fan_in).
    The hash layer and the classifier are U(+-1/sqrt(fan_in)), bias included, as in the published code.
    Where ``recipe.last_place`` says so, one weight of any layer is the next float32 above.
    """
    table, seed = parameters(recipe), recipe.seed_of("weights")
    shapes = {parameter.name: parameter.shape for parameter in table}
    arrays = {p.name: np.array(backbone[p.name]) if p.name in backbone else _random(seed, p, shapes) for p in table}
    if recipe.last_place:
        _change_last_place([arrays[p.name] for p in table if p.kind != "bias"], seed, recipe.last_place)
    return arrays


def _change_last_place(weights: Sequence[np.ndarray], seed: int, number: int) -> None:
    # biases are left alone: next to 0 the step would be too small to be seen
    place = changed_weight(seed, number, sum(array.size for array in weights))
    for array in weights:
        if place < array.size:
            array.flat[place] = np.nextafter(array.flat[place], np.float32(np.inf))
            return
        place -= array.size


def _random(seed: int, parameter: Parameter, shapes: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    layer, kind = parameter.name.split(".")
    fan_in = math.prod(shapes[f"{layer}.weight"][1:])
    if layer not in RELU_LAYERS:
        return uniform_weights(seed, parameter.name, parameter.shape, 1 / math.sqrt(fan_in))
    if kind == "bias":
        return np.zeros(parameter.shape, np.float32)
    keep = 1 - DROPOUT_PROBABILITY if layer in _AFTER_DROPOUT else 1
    return uniform_weights(seed, parameter.name, parameter.shape, math.sqrt(6 * keep / fan_in))
