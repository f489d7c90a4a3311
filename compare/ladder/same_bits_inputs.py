"""What both frameworks are asked for to compare their first steps: those of a run, such as the demo's."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from compare.ladder.setup import Scale
from shared.config.kernels import SHARED
from shared.config.randomness import batch_order, dropout_mask
from shared.config.recipe import PRESETS, Recipe
from shared.data import cifar
from shared.network.alexnet import hidden_units, pooled_units
from shared.network.initial import initial_weights
from shared.training.batches import steps_per_epoch
from shared.worker.probe import WEIGHT, Arrays, Request, prefixed


def same_bits_request(scale: Scale, bits: int) -> tuple[Request, Arrays]:
    """The first steps of the demo at the ladder's sizes and code length, as its runs train, with shared kernels."""
    sizes = {"width": scale.width, "input_px": scale.input_px}
    recipe = dataclasses.replace(PRESETS["demo"], bits=bits, kernels=SHARED, **sizes)
    digits = cifar.load(cifar.DIGITS)
    train = cifar.split(digits.labels, recipe.protocol, recipe.seed).train
    return training_request(recipe, digits, train, initial_weights(recipe, {}), scale.steps)


def training_request(
    recipe: Recipe, dataset: cifar.Dataset, train: np.ndarray, start: Arrays, steps: int, saved: Sequence[int] = ()
) -> tuple[Request, Arrays]:
    """The first ``steps`` steps of a run with shared dropout masks, and SHA-256 of its state after each.

    ``train``: int64 (N,), the training images; ``start``: the initial weights. Weights and momenta are answered after
    the steps ``saved`` (from 1). The arrays are those of ``make_inputs``, with the images that the steps see and
    without momentum.
    """
    order, epochs = _order(recipe, train, steps)
    seen = np.unique(order[order >= 0])
    places = np.where(order < 0, -1, np.searchsorted(seen, order))
    arrays = prefixed(WEIGHT, start)
    arrays |= {"images": dataset.pixels[seen], "labels": dataset.labels[seen], "order": places}
    seed = recipe.seed_of("dropout")
    for name, layer, units in (("mask6", 0, pooled_units(recipe)), ("mask7", 1, hidden_units(recipe))):
        masks = [dropout_mask(seed, step, layer, (recipe.batch_size, units)) for step in range(steps)]
        arrays[name] = np.stack(masks)
    rates = tuple(map(recipe.learning_rate_at, epochs))
    request = Request(recipe, "float32", ("digests",), num_steps=steps, saved_steps=tuple(saved), learning_rates=rates)
    return request, arrays


def _order(recipe: Recipe, train: np.ndarray, steps: int) -> tuple[np.ndarray, list[int]]:
    """The images of every step, int64 (steps, batch), -1 in the places that an epoch's last batch lacks; the epochs."""
    an_epoch = steps_per_epoch(recipe, len(train))
    epochs = [1 + step // an_epoch for step in range(steps)]
    order = np.full((epochs[-1], an_epoch * recipe.batch_size), -1)
    for epoch in range(1, epochs[-1] + 1):
        order[epoch - 1, : len(train)] = train[batch_order(recipe.seed_of("order"), epoch, len(train))]
    return order.reshape(-1, recipe.batch_size)[:steps], epochs


def first_difference(ours: Arrays, reference: Arrays) -> int | None:
    """The first step (from 1) after which two answers have other weights or momentum; None where all are the same."""
    differs = (ours["digests"] != reference["digests"]).any(axis=1)
    return int(differs.argmax()) + 1 if differs.any() else None
