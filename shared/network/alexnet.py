"""AlexNet with a hash layer, as a table: names, shapes and kinds of its parameters at every width and code length."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from shared.config.recipe import PRESETS, Recipe

DROPOUT_PROBABILITY = 0.5


class Parameter(NamedTuple):
    """One trainable array in the neutral layout: torch orientation, (out, in) for linear layers."""

    name: str
    shape: tuple[int, ...]
    kind: str  # "conv", "linear" or "bias"; only "linear" is stored transposed by Paddle


# name, kernel side; AlexNet as in torchvision (Krizhevsky 2014, "One weird trick"), which GreedyHash fine-tunes
_CONVOLUTIONS = (("conv1", 64, 11), ("conv2", 192, 5), ("conv3", 384, 3), ("conv4", 256, 3), ("conv5", 256, 3))
RELU_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")


def hidden_units(recipe: Recipe) -> int:
    """Outputs of fc6 and of fc7 (4096 as published)."""
    return round(recipe.hidden_units * recipe.width)


def pooled_units(recipe: Recipe) -> int:
    """Inputs of fc6: channels of conv5 times pooled pixels (256 x 6 x 6 = 9216 as published)."""
    return round(_CONVOLUTIONS[-1][1] * recipe.width) * recipe.pooled_px**2


def parameters(recipe: Recipe) -> tuple[Parameter, ...]:
    """Every trainable parameter of the network, input side first; the order is part of the file format."""
    channels = tuple(round(full_width * recipe.width) for _, full_width, _ in _CONVOLUTIONS)
    return parameter_table(channels, recipe.pooled_px, hidden_units(recipe), recipe.bits, recipe.num_classes)


def parameter_table(
    channels: Sequence[int], pooled_px: int, hidden: int, bits: int, num_classes: int
) -> tuple[Parameter, ...]:
    """``parameters`` of a network with these ``channels`` per convolution, ``hidden`` units, bits and classes."""
    table, inputs = [], 3
    for (name, _, side), out in zip(_CONVOLUTIONS, channels, strict=True):
        table += [Parameter(f"{name}.weight", (out, inputs, side, side), "conv")]
        table += [Parameter(f"{name}.bias", (out,), "bias")]
        inputs = out
    linears = (("fc6", hidden, inputs * pooled_px**2), ("fc7", hidden, hidden), ("hash", bits, hidden))
    for name, out, inputs in linears:
        table += [Parameter(f"{name}.weight", (out, inputs), "linear"), Parameter(f"{name}.bias", (out,), "bias")]
    return (*table, Parameter("classifier.weight", (num_classes, bits), "linear"))


class Sizes(NamedTuple):
    """A recipe's settings that decide the sizes of the layers, apart from the code length."""

    width: float
    hidden_units: int
    pooled_px: int

    def __str__(self) -> str:
        """ "width x1", and the rest where it is not as published."""
        text = f"width x{self.width:g}"
        if self[1:] == sizes_of(PRESETS["paper"])[1:]:
            return text
        side = self.pooled_px
        return f"{text}, {self.hidden_units * self.width:,g} units in fc6 and fc7 on {side} x {side} pooled features"


def sizes_of(recipe: Recipe) -> Sizes:
    """The sizes that ``recipe`` asks for."""
    return Sizes(recipe.width, recipe.hidden_units, recipe.pooled_px)


def recognised_sizes(channels: Sequence[int], hidden: int, inputs: int) -> Sizes | None:
    """The sizes that make AlexNet with these ``channels``, ``hidden`` units and ``inputs`` of fc6; None if none do.

    The width is that of the channels; where no recipe's width makes them, it is that of the published number of units,
    as files from elsewhere have it. ``pooled_px`` is the nearest to what ``inputs`` say.
    """
    if not hidden or not all(channels):
        return None
    full = [number for _, number, _ in _CONVOLUTIONS]
    pooled_px = max(1, round(math.sqrt(inputs / channels[-1])))
    width = channels[0] / full[0]
    if list(channels) == [number * width for number in full] and not hidden % width:
        return Sizes(width, round(hidden / width), pooled_px)
    published = PRESETS["paper"].hidden_units
    width = hidden / published
    # one more or less where a rounded unit count does not give the channels' rounding back
    fits = all(abs(out - number * width) <= 1 for number, out in zip(full, channels, strict=True))
    return Sizes(width, published, pooled_px) if fits else None
