"""device_batches FRAMEWORK: the batches of small epochs on the device, beside those that NumPy unpacks."""

import dataclasses
import importlib
import sys

import numpy as np

from shared.config.recipe import PRESETS
from shared.training.batches import batches_of_epoch
from shared.training.ranks import ALONE, Ranks
from tests.helpers import batch_arrays

framework = sys.argv[1]
batches = importlib.import_module(f"{framework}_impl.batches")
recipe = dataclasses.replace(PRESETS["demo"], width=1 / 64, batch_size=3)
train = np.arange(100, 110)
count = 0
for ranks in (ALONE, Ranks(1, 2)):
    epoch = batches_of_epoch(recipe, train, 2, ranks)
    # of so few units that a row is no whole number of bytes
    epoch = epoch if ranks is ALONE else epoch._replace(units=(143, 61))
    device = batches.DeviceBatches(epoch, "cpu")
    for batch in epoch.batches[: 4 if ranks is ALONE else 3]:
        index, masks = batch_arrays(epoch, batch)
        assert index.min() >= 100
        for ours, expected in zip(device.masks(batch), masks, strict=True):
            assert ours.shape == list(expected.shape) if framework == "paddle" else tuple(expected.shape)
            assert np.array_equal(ours.numpy(), expected.astype(bool))
            assert 0 < expected.mean() < 1
        count += 1
print(f"{count} batches are the same")
