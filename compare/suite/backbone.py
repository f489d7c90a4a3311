"""Where AlexNet starts from: torchvision's ImageNet weights, a file, or nowhere."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from compare.frameworks.worker import Worker
from shared.checkpoint import weights
from shared.checkpoint.backbone import load_backbone
from shared.config.recipe import Recipe
from shared.system.errors import UserError
from shared.system.files import cache_folder, missing_from_cache, sha256_of

# digest of the five convolutions of torchvision's IMAGENET1K_V1 AlexNet under our names
IMAGENET_CONVOLUTIONS = "70a964f28cbb22e8395d196d503c30106bbe4d93d5b34e9d72fb7140f0455005"
# first digits of the SHA-256 of torchvision's own file of that network, which its name ends with: alexnet-owt-7be5be79
IMAGENET_FILE = "7be5be79"
# the framework whose worker can fetch it
HAS_TORCHVISION = "torch"
# where torchvision's weights are kept, under our names, once they have been fetched
_IN_CACHE = "alexnet-imagenet.safetensors"


def must_be_fetched(choice: str) -> bool:
    """Whether the weights named by ``--backbone-weights`` are to be downloaded first."""
    return choice in ("imagenet", "imagenet-conv") and not (cache_folder() / _IN_CACHE).exists()


def read_backbone(choice: str, recipe: Recipe, workers: Mapping[str, Worker]) -> tuple[Recipe, weights.Arrays]:
    """The weights named by ``--backbone-weights``, and the recipe that records them.

    They count as ImageNet's where every layer is known to be: torchvision's own network, or its convolutions alone.
    Raises UserError for a file that does not hold AlexNet's layers.
    """
    if choice == "none":
        return dataclasses.replace(recipe, backbone="none"), {}
    path = _imagenet(workers[HAS_TORCHVISION]) if choice in ("imagenet", "imagenet-conv") else Path(choice)
    if not path.exists():
        raise UserError(
            f"--backbone-weights: expected imagenet, imagenet-conv, none or a file, received {choice}, "
            "which does not exist"
        )
    arrays = load_backbone(path, recipe)
    convolutions = {name: array for name, array in arrays.items() if name.startswith("conv")}
    if choice == "imagenet-conv":
        arrays = convolutions
    name = "imagenet" if choice == "imagenet" or _is_imagenet(path, arrays, convolutions) else "file"
    layers, sha256 = weights.layers_of(arrays), weights.digest(arrays)
    return dataclasses.replace(recipe, backbone=name, backbone_layers=layers, backbone_sha256=sha256), arrays


def _is_imagenet(path: Path, arrays: weights.Arrays, convolutions: weights.Arrays) -> bool:
    if weights.digest(convolutions) != IMAGENET_CONVOLUTIONS:
        return False
    # fc6 and fc7 have no digest here, but the file that torchvision publishes has one
    return len(arrays) == len(convolutions) or sha256_of(path.read_bytes()).startswith(IMAGENET_FILE)


def _imagenet(worker: Worker) -> Path:
    path = cache_folder() / _IN_CACHE
    with missing_from_cache(path) as missing:
        if missing:
            worker.output_of("torch_impl.torchvision_weights", str(path))
    return path
