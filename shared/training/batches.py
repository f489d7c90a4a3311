"""The batches of an epoch, as arrays that a device gets at once: no step waits for anything of the host's."""

import math
from typing import NamedTuple

import numpy as np

from shared.config.randomness import batch_order, dropout_mask
from shared.config.recipe import Recipe
from shared.network.alexnet import hidden_units, pooled_units
from shared.training.ranks import Ranks

# of a byte's bits, from the first unit on
BIT_VALUES = 1 << np.arange(8, dtype=np.uint8)


class Batch(NamedTuple):
    """This rank's part of a training step: global ``step`` (from 0), and where its arrays lie in those of the epoch.

    ``images`` are elements of ``Epoch.index``, ``masks`` bytes of the two arrays of ``Epoch.masks``.
    ``count`` of the images are in the batch: all, or none where one stands in for an empty part. The mean over ranks
    of ``weight`` times their mean losses is the mean over the whole batch.
    """

    step: int
    images: slice
    masks: tuple[slice, slice] | None
    count: int
    weight: float


class Epoch(NamedTuple):
    """This rank's parts of an epoch's ``batches``, and what they are slices of.

    ``index``: int64 (N,), the images in the order of training.
    ``masks``: the dropout masks before fc6 and before fc7, uint8 (bytes,), 8 units a byte, the first in its lowest bit
    (1 = keep); those of a batch, (B, units), begin with a whole byte. None where the framework draws its own.
    ``units``: the units of the two masks.
    """

    batches: tuple[Batch, ...]
    index: np.ndarray
    masks: tuple[np.ndarray, np.ndarray] | None
    units: tuple[int, int]

    @property
    def images(self) -> tuple[np.ndarray, list[slice]]:
        """``index``, and the part of each batch."""
        return self.index, [batch.images for batch in self.batches]


def steps_per_epoch(recipe: Recipe, images: int) -> int:
    """Batches in an epoch of so many images, the last one possibly smaller."""
    return math.ceil(images / recipe.batch_size)


def batches_of_epoch(recipe: Recipe, train: np.ndarray, epoch: int, ranks: Ranks) -> Epoch:
    """A rank's parts of the batches of ``epoch`` (from 1), which are the same in both frameworks.

    ``train``: int64 (N,), the training images.
    """
    order = train[batch_order(recipe.seed_of("order"), epoch, len(train))]
    units = (pooled_units(recipe), hidden_units(recipe))
    first_step = (epoch - 1) * steps_per_epoch(recipe, len(train))
    index, masks = _Joined(), (_Joined(), _Joined())
    batches = []
    for position in range(steps_per_epoch(recipe, len(train))):
        whole, step = order[position * recipe.batch_size :][: recipe.batch_size], first_step + position
        part = ranks.share(len(whole))
        count = part.stop - part.start
        # a rank without an image computes one that counts for nothing: the others wait for its gradient
        shown = part if count else slice(1)
        packed = None
        if recipe.dropout == "shared":
            of_step = (_packed_mask(recipe, step, layer, (len(whole), n), shown) for layer, n in enumerate(units))
            packed = tuple(joined.add(mask) for joined, mask in zip(masks, of_step, strict=True))
        batches.append(Batch(step, index.add(whole[shown]), packed, count, count * ranks.size / len(whole)))
    arrays = tuple(joined.array() for joined in masks) if recipe.dropout == "shared" else None
    return Epoch(tuple(batches), index.array(), arrays, units)


def _packed_mask(recipe: Recipe, step: int, layer: int, shape: tuple[int, int], shown: slice) -> np.ndarray:
    return np.packbits(dropout_mask(recipe.seed_of("dropout"), step, layer, shape)[shown], bitorder="little")


class _Joined:
    """Arrays one after the other, each known by its place."""

    def __init__(self) -> None:
        self._arrays, self._length = [], 0

    def add(self, array: np.ndarray) -> slice:
        self._arrays.append(array)
        self._length += len(array)
        return slice(self._length - len(array), self._length)

    def array(self) -> np.ndarray:
        return np.concatenate(self._arrays)
