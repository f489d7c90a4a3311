"""How much arithmetic and memory traffic the network takes: counted, as measured speeds are shares of a ceiling."""

import math
from typing import NamedTuple

from shared.config.optimizers import ADAMW
from shared.config.recipe import Recipe
from shared.network.alexnet import parameters
from shared.system.errors import UserError
from shared.system.machine import memory_bytes

_BYTES = 4  # float32
# of the convolutions, as both models make them
_STRIDE, _PADDING = {"conv1": 4}, {"conv1": 2, "conv2": 2, "conv3": 1, "conv4": 1, "conv5": 1}
_POOLED_AFTER = ("conv1", "conv2", "conv5")
# a step reads the weights forward and backward and writes the gradients; the update reads weight, gradient and
# momentum and writes weight and momentum
_PASSES_OVER_PARAMETERS = 8
# of a process that has imported either framework and nothing else
_FRAMEWORK_BYTES = 200 * 2**20


class Layer(NamedTuple):
    """A layer with weights, for one image: multiply-adds, and the numbers that it puts out."""

    name: str
    multiply_adds: int
    outputs: int


def layers(recipe: Recipe) -> list[Layer]:
    """Every convolution and linear layer at the recipe's ``input_px``, in order."""
    side, table = recipe.input_px, []
    for p in parameters(recipe):
        name = p.name.removesuffix(".weight")
        if p.kind == "conv":
            out, inputs, kernel, _ = p.shape
            side = (side + 2 * _PADDING[name] - kernel) // _STRIDE.get(name, 1) + 1
            table.append(Layer(name, out * inputs * kernel**2 * side**2, out * side**2))
            side = (side - 3) // 2 + 1 if name in _POOLED_AFTER else side
        elif p.kind == "linear":
            table.append(Layer(name, p.shape[0] * p.shape[1], p.shape[0]))
    return table


def encoding_flops(recipe: Recipe) -> int:
    """Floating-point operations of one image's forward pass; a multiply-add is two, and only those are counted."""
    return 2 * sum(layer.multiply_adds for layer in layers(recipe))


def training_flops(recipe: Recipe) -> int:
    """Of one image forward and backward: two products backward a layer, but for the pixels' gradient."""
    return 3 * encoding_flops(recipe) - 2 * layers(recipe)[0].multiply_adds


def training_bytes(recipe: Recipe) -> int:
    """A lower bound of one step's memory traffic: parameters, and activations written and read in both directions."""
    numbers = sum(math.prod(p.shape) for p in parameters(recipe))
    activations = sum(layer.outputs for layer in layers(recipe)) * recipe.batch_size
    return _BYTES * (_PASSES_OVER_PARAMETERS * numbers + 4 * activations)


def weight_bytes(recipe: Recipe) -> int:
    """The size of the network's parameters."""
    return _BYTES * sum(math.prod(p.shape) for p in parameters(recipe))


def training_memory(recipe: Recipe) -> int:
    """The least bytes that training holds: weights, gradients, momentum, and what goes back through the network."""
    copies = 2 + moments_per_weight(recipe)
    return copies * weight_bytes(recipe) + _BYTES * sum(layer.outputs for layer in layers(recipe)) * recipe.batch_size


def moments_per_weight(recipe: Recipe) -> int:
    """What the optimiser remembers of every weight: its momentum, and with AdamW a second moment."""
    return 2 if recipe.optimizer == ADAMW else 1


def check_memory(recipe: Recipe, processes: int, setting: str) -> None:
    """UserError, naming ``setting`` is to be lowered, if this machine cannot hold ``processes`` that train at once."""
    needed = processes * (_FRAMEWORK_BYTES + training_memory(recipe))
    if needed > memory_bytes():
        raise UserError(
            f"{setting}: expected training that fits into the {memory_bytes() / 2**30:.1f} GiB of memory here, "
            f"but it takes {needed / 2**30:.1f} GiB or more; lower it"
        )
