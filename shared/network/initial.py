"""What both frameworks start from: weights given by a backbone, and random ones drawn once in NumPy."""

import math
from collections.abc import Mapping

import numpy as np

from shared.config.randomness import uniform_weights
from shared.config.recipe import Recipe
from shared.network.alexnet import DROPOUT_PROBABILITY, RELU_LAYERS, Parameter, parameters

_AFTER_DROPOUT = ("fc6", "fc7")


def initial_weights(recipe: Recipe, backbone: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights both frameworks start from: ``backbone`` where it has them, random elsewhere.

    Layers before a ReLU are He-uniform with zero bias, U(+-sqrt(6/fan_in)) (He et al., ICCV 2015, eq. 10); fc6
    and fc7 see inputs whose second moment dropout has multiplied by 1/keep, so there it is sqrt(6*keep/fan_in).
    The hash layer and the classifier are U(+-1/sqrt(fan_in)), bias included, as in the published code.
    """
    table, seed = parameters(recipe), recipe.seed_of("weights")
    shapes = {parameter.name: parameter.shape for parameter in table}
    return {p.name: np.array(backbone[p.name]) if p.name in backbone else _random(seed, p, shapes) for p in table}


def _random(seed: int, parameter: Parameter, shapes: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    layer, kind = parameter.name.split(".")
    fan_in = math.prod(shapes[f"{layer}.weight"][1:])
    if layer not in RELU_LAYERS:
        return uniform_weights(seed, parameter.name, parameter.shape, 1 / math.sqrt(fan_in))
    if kind == "bias":
        return np.zeros(parameter.shape, np.float32)
    keep = 1 - DROPOUT_PROBABILITY if layer in _AFTER_DROPOUT else 1
    return uniform_weights(seed, parameter.name, parameter.shape, math.sqrt(6 * keep / fan_in))
