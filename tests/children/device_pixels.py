"""device_pixels FRAMEWORK IN OUT: the pixels a framework makes on its device from the images in IN."""

import sys

import numpy as np

from shared.data.cifar import Dataset
from tests.children.frameworks import load

framework, source, target = sys.argv[1:]
side = load(framework)
with np.load(source) as file:
    images, input_px = file["pixels"], int(file["input_px"])
on_device = side.device_images(Dataset("custom", images, np.zeros(len(images), np.int64)), input_px, "cpu")
index = side.tensor(np.arange(len(images)))
np.savez(target, upsampled=on_device.upsampled(index).numpy(), normalised=on_device.normalised(index).numpy())
