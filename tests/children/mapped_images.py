"""mapped_images FRAMEWORK FOLDER: images of a memory-mapped file on the device, beside those that memory holds."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np

from shared.data.cifar import Dataset
from tests.children.frameworks import load

framework, folder = sys.argv[1], Path(sys.argv[2])
side = load(framework)
importlib.import_module(f"{framework}_impl.runtime").configure()


def mapped(name, pixels):
    pixels.tofile(folder / name)
    return np.memmap(folder / name, np.uint8, "r", shape=pixels.shape)


def peak():
    """The most memory that this process has had, in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) / 1024


def differences(height, width, input_px):
    """Which of the ways to the pixels differ between the two."""
    random = np.random.RandomState(height)
    pixels = random.randint(0, 256, (50, height, width, 3), np.uint8)
    labels, index = random.randint(0, 3, 50), random.permutation(50)[:40]
    parts = [slice(0, 16), slice(16, 32), slice(32, 48)]
    arrays = []
    for rows in (pixels, mapped("rows", pixels)):
        images = side.device_images(Dataset("custom", rows, labels), input_px, "cpu")
        of_index = [images.upsampled(side.tensor(index)), images.normalised(side.tensor(index))]
        batches = list(images.inputs(index, parts))
        joined = [np.concatenate([pair[k].numpy() for pair in batches]) for k in (0, 1)]
        arrays.append([*(tensor.numpy() for tensor in of_index), *joined, images.labels.numpy()])
        assert np.array_equal(joined[0], arrays[-1][1])
        assert np.array_equal(joined[1], labels[index])
        assert [len(pair[1]) for pair in batches] == [16, 16, 8]
    return [k for k, (ours, theirs) in enumerate(zip(*arrays, strict=True)) if not np.array_equal(ours, theirs)]


def growth():
    """By how much the peak of memory grows, in MB, when every image is read once, after one batch was."""
    pixels = mapped("many", np.zeros((1500, 224, 224, 3), np.uint8))
    side.device_images(Dataset("custom", np.zeros((32, 224, 224, 3), np.uint8), np.zeros(32, int)), 224, "cpu")
    images = side.device_images(Dataset("custom", pixels, np.zeros(1500, np.int64)), 224, "cpu")
    index, before = np.arange(1500)[::-1].copy(), None
    for number, _ in enumerate(images.inputs(index, [slice(at, at + 8) for at in range(0, 1500, 8)])):
        before = peak() if number == 1 else before
    return peak() - before


grown = growth()
print(json.dumps({"differences": [differences(20, 32, 64), differences(64, 64, 64)], "growth": grown}))
