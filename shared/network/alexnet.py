"""AlexNet with a hash layer, as a table: names, shapes and kinds of its parameters at every width and code length."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.config.recipe import NUM_CLASSES, Recipe

DROPOUT_PROBABILITY = 0.5


class Parameter(NamedTuple):
    """One trainable array in the neutral layout: torch orientation, (out, in) for linear layers."""

    name: str
    shape: tuple[int, ...]
    kind: str  # "conv", "linear" or "bias"; only "linear" is stored transposed by Paddle


# name, kernel side; AlexNet as in torchvision (Krizhevsky 2014, "One weird trick"), which GreedyHash fine-tunes
_CONVOLUTIONS = (("conv1", 64, 11), ("conv2", 192, 5), ("conv3", 384, 3), ("conv4", 256, 3), ("conv5", 256, 3))
_HIDDEN_UNITS = 4096
POOLED_PX = 6
RELU_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")


def hidden_units(recipe: Recipe) -> int:
    """Outputs of fc6 and of fc7 (4096 at full width)."""
    return round(_HIDDEN_UNITS * recipe.width)


def pooled_units(recipe: Recipe) -> int:
    """Inputs of fc6: channels of conv5 times 6 x 6 (9216 at full width)."""
    return round(_CONVOLUTIONS[-1][1] * recipe.width) * POOLED_PX**2


def parameters(recipe: Recipe) -> tuple[Parameter, ...]:
    """Every trainable parameter of the network, input side first; the order is part of the file format."""
    channels = tuple(round(full_width * recipe.width) for _, full_width, _ in _CONVOLUTIONS)
    return parameter_table(channels, hidden_units(recipe), recipe.bits)


def parameter_table(channels: Sequence[int], hidden: int, bits: int) -> tuple[Parameter, ...]:
    """``parameters`` of a network with these ``channels`` per convolution, ``hidden`` units and code length."""
    table, inputs = [], 3
    for (name, _, side), out in zip(_CONVOLUTIONS, channels, strict=True):
        table += [Parameter(f"{name}.weight", (out, inputs, side, side), "conv")]
        table += [Parameter(f"{name}.bias", (out,), "bias")]
        inputs = out
    linears = (("fc6", hidden, inputs * POOLED_PX**2), ("fc7", hidden, hidden), ("hash", bits, hidden))
    for name, out, inputs in linears:
        table += [Parameter(f"{name}.weight", (out, inputs), "linear"), Parameter(f"{name}.bias", (out,), "bias")]
    return (*table, Parameter("classifier.weight", (NUM_CLASSES, bits), "linear"))


def width_of(channels: Sequence[int], hidden: int) -> float | None:
    """The width that makes AlexNet of these sizes, or None if there is none."""
    width = hidden / _HIDDEN_UNITS
    # one more or less where a rounded unit count does not give the channels' rounding back
    fits = all(abs(out - full * width) <= 1 for (_, full, _), out in zip(_CONVOLUTIONS, channels, strict=True))
    return width if fits and hidden else None
