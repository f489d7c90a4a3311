"""overflow FRAMEWORK CHECKPOINT PICTURE...: a network in which fc6 carries some of the pictures beyond float32.

Writes it, and prints as JSON which images should be told ("expected") and which the encoder tells ("found").
"""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np

from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import Checkpoint
from shared.codes.finite import finite_images
from shared.config.recipe import PRESETS
from shared.data import cifar
from shared.data.pictures import read_pictures
from shared.network.initial import initial_weights
from shared.system.progress import Progress
from tests.children.frameworks import load

framework, path, *files = sys.argv[1], *map(Path, sys.argv[2:])
side = load(framework)
encode = importlib.import_module(f"{framework}_impl.encode")
digits = cifar.load("digits")
split = cifar.split(digits.labels, "digits-1", PRESETS["demo"].seed)
hashes = {"data_sha256": digits.digest(), "split_sha256": split.digest()}
recipe = dataclasses.replace(PRESETS["demo"], bits=12, **hashes)
arrays = initial_weights(recipe, {})
pixels, index = read_pictures(files, (8, 8))[0], np.arange(len(files))
images = side.device_images(cifar.Dataset("custom", pixels, 0 * index), recipe.input_px, "cpu")


def network():
    made = side.convert.from_neutral(recipe, arrays, "cpu")
    made.eval()
    return made


x = images.normalised(side.tensor(index))
for name, stage in network().stages():
    x = stage(x)
    if name == "fc6":
        break
reached = np.abs(x.detach().numpy()).max(axis=1)
middle = np.sqrt(reached.min() * reached.max())
arrays["conv5.weight"] *= np.float32(1e20)
arrays["fc6.weight"] *= np.float32(float(np.finfo(np.float32).max) / 1e20 / middle)
arrays["fc7.weight"] *= np.float32(1e-37)  # a ReLU that turns NaN into 0 would hide the overflow
hash_logits, predicted = encode.encode_images(network(), images, index, Progress())
checkpoint.save(path, Checkpoint(arrays, recipe=json.dumps(dataclasses.asdict(recipe))))
overflowed = ~finite_images(hash_logits, predicted)
print(json.dumps({"expected": (reached > middle).tolist(), "received": overflowed.tolist()}))
