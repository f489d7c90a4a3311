"""encoders FRAMEWORK AT_ONCE: the worker's encoder beside the network layer by layer, as JSON.

More than AT_ONCE images in a batch ask the framework for memory that no machine has (0: as many as it likes).
"""

import ctypes
import importlib
import json
import sys
from pathlib import Path

import numpy as np

from shared.config.recipe import Recipe
from shared.data.cifar import Dataset
from shared.network.initial import initial_weights
from shared.system.progress import Progress
from tests.children.frameworks import load

framework, at_once = sys.argv[1], int(sys.argv[2])
side = load(framework)
encode = importlib.import_module(f"{framework}_impl.encode")
library = importlib.import_module(f"{framework}_impl.runtime").__dict__[framework]
recipe = Recipe(preset="demo", bits=48, width=1 / 8, input_px=64, backbone="none")
network = side.convert.from_neutral(recipe, initial_weights(recipe, {}), "cpu")
pixels = np.random.RandomState(0).randint(0, 256, (150, 32, 32, 3), np.uint8)
index = np.arange(150)[::-1].copy()
notes: list[str] = []


def omp_get_max_threads() -> int:
    """What the framework's own OpenMP library gives the next parallel region."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    libraries = {line.split()[-1] for line in maps if ".so" in line}
    name = {"torch": "libgomp", "paddle": "libiomp5"}[framework]
    return max(ctypes.CDLL(file).omp_get_max_threads() for file in libraries if name in file and framework in file)


class HungryImages(side.device_images):
    def normalised(self, index):
        if at_once and len(index) > at_once:
            library.zeros([2**50])
        return super().normalised(index)


class Notes(Progress):
    def note(self, text: str, detail: bool = False) -> None:
        notes.append(text)


images = HungryImages(Dataset("custom", pixels, np.zeros(150, np.int64)), recipe.input_px, "cpu")
hash_logits, predicted = encode.encode_images(network, images, index, Notes())
training = bool(network.training)
network.eval()
at_once = 0
output = network(images.normalised(side.tensor(index)))
eager, logits = (values.detach().numpy() for values in (output.hash_logits, output.logits))
print(
    json.dumps(
        {
            "difference": float(np.abs(hash_logits - eager).max()),
            "scale": float(np.abs(eager).max()),
            "flipped": np.abs(eager[(hash_logits > 0) != (eager > 0)]).tolist(),
            "predicted": bool((predicted == logits.argmax(axis=1)).all()),
            "dtypes": [str(hash_logits.dtype), str(predicted.dtype)],
            "training": training,
            "notes": notes,
            "threads": omp_get_max_threads(),
        }
    )
)
