"""What the rung of the same bits asks of both frameworks: the demo's training, with all kernels shared."""

import dataclasses

import numpy as np

from compare.ladder.setup import Scale
from shared.config.kernels import SHARED
from shared.config.randomness import batch_order, dropout_mask
from shared.config.recipe import PRESETS, Recipe
from shared.data import cifar
from shared.data.images import Images
from shared.network.alexnet import hidden_units, pooled_units
from shared.network.initial import initial_weights
from shared.worker.probe import WEIGHT, Arrays, Request, prefixed

_BITS = 12


def same_bits_request(scale: Scale) -> tuple[Request, Arrays]:
    """The first steps of the demo at the ladder's width and input side, as its runs train, with shared kernels."""
    sizes = {"width": scale.width, "input_px": scale.input_px}
    recipe = dataclasses.replace(PRESETS["demo"], bits=_BITS, kernels=SHARED, **sizes)
    return training_request(recipe, cifar.load(cifar.DIGITS), initial_weights(recipe, {}), scale.steps)


def training_request(recipe: Recipe, images: Images, initial: Arrays, steps: int) -> tuple[Request, Arrays]:
    """The first ``steps`` of a run with ``recipe``, from the weights ``initial``: a SHA-256 of its state after each.

    The arrays are those of ``make_inputs``, with the images that the steps see and without momentum.
    """
    train = cifar.split(images.labels, recipe.protocol, recipe.seed).train
    order = _order(recipe, train, steps)
    seen, places = np.unique(order, return_inverse=True)
    arrays = prefixed(WEIGHT, initial)
    arrays |= {"images": images.pixels[seen], "labels": images.labels[seen], "order": places.reshape(order.shape)}
    for name, layer, units in (("mask6", 0, pooled_units(recipe)), ("mask7", 1, hidden_units(recipe))):
        masks = [dropout_mask(recipe.seed, step, layer, (recipe.batch_size, units)) for step in range(steps)]
        arrays[name] = np.stack(masks)
    rates = (recipe.learning_rate_at(1),) * steps
    return Request(recipe, "float32", ("digests",), num_steps=steps, learning_rates=rates), arrays


def _order(recipe: Recipe, train: np.ndarray, steps: int) -> np.ndarray:
    """The images of every step, int64 (steps, batch), without the smaller batch at the end of an epoch."""
    an_epoch = len(train) // recipe.batch_size
    epochs = range(1, -(-steps // an_epoch) + 1)
    whole = [train[batch_order(recipe.seed, epoch, len(train))][: an_epoch * recipe.batch_size] for epoch in epochs]
    return np.concatenate(whole).reshape(-1, recipe.batch_size)[:steps]


def first_difference(ours: Arrays, reference: Arrays) -> int | None:
    """The first step (from 1) after which two answers have other weights or momentum; None where all are the same."""
    differs = (ours["digests"] != reference["digests"]).any(axis=1)
    return int(differs.argmax()) + 1 if differs.any() else None
