"""100 training steps of the published network on real images with shared kernels, and the trajectory that is stored.

``python -m tests.kernels.trajectory NPZ CONVOLUTIONS`` stores it again, where both frameworks agree.
"""

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from compare.ladder.same_bits_inputs import training_request
from shared.checkpoint.backbone import load_backbone
from shared.checkpoint.weights import digest, layers_of
from shared.config.kernels import SHARED
from shared.config.recipe import PRESETS
from shared.data import cifar
from shared.network.initial import initial_weights
from tests import helpers

STEPS = 100
STORED = Path(__file__).with_name("published_network.json")


def environment() -> dict[str, str]:
    """What the bits of NumPy's products depend on: its version, that of its BLAS, and the kernels chosen here."""
    (blas,) = (found for found in threadpool_info() if "numpy" in Path(found["filepath"]).parent.name)
    return {"numpy": np.__version__, "openblas": f"{blas['version']}, {blas['architecture']}"}


def hashes(images: Path, convolutions: Path, folder: Path) -> dict[str, list[str]]:
    """By framework the SHA-256 of all weights and momenta after each step, of images in an .npz."""
    recipe = dataclasses.replace(PRESETS["paper"], bits=12, kernels=SHARED)
    arrays = load_backbone(convolutions, recipe)
    recipe = dataclasses.replace(recipe, backbone_layers=layers_of(arrays), backbone_sha256=digest(arrays))
    dataset = cifar.load(images)
    train = cifar.split(dataset.labels, recipe.protocol, recipe.seed).train
    request, inputs = training_request(recipe, dataset, train, initial_weights(recipe, arrays), STEPS)
    request.save(folder / "request.npz", inputs)
    found = {}
    for framework in helpers.MODULES:
        out = folder / framework
        helpers.worker(framework, "probe", folder / "request.npz", "--out", out, "--device", "cpu", timeout=5000)
        with np.load(out / "request.npz") as answer:
            found[framework] = [row.tobytes().hex() for row in answer["digests"]]
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        torch, paddle = hashes(*map(Path, sys.argv[1:]), Path(folder)).values()
    assert torch == paddle
    STORED.write_text(json.dumps({"environment": environment(), "sha256": torch}, indent=1) + "\n")


if __name__ == "__main__":
    main()
