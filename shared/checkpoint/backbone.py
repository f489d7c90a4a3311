"""AlexNet's layers from a weights file, in any form that checkpoints have, for a run to start from."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from shared.checkpoint.formats import read_content
from shared.checkpoint.names import TORCHVISION, layer_renamed
from shared.checkpoint.paddle_files import transposed
from shared.checkpoint.weights import Arrays, check_shapes
from shared.config.recipe import PRESETS, Recipe
from shared.network.alexnet import RELU_LAYERS, parameters, sizes_of
from shared.readers.float_types import as_float32
from shared.readers.trees import read_stored
from shared.system.errors import UserError, printable

_CONV_LAYERS, _HEAD = RELU_LAYERS[:5], ("fc6.", "fc7.")
# 1,000 classes, which have no place here
_IMAGENET_HEAD = {"classifier.6.weight", "classifier.6.bias"}
_FIRST = ("features.0.weight", "conv1.weight")


def load_backbone(path: Path, recipe: Recipe) -> Arrays:
    """AlexNet's layers under torchvision's names or ours, whatever stands before them: all seven, or the convolutions.

    The published fc6 and fc7 are left out where ``recipe`` has another number of hidden units or of pooled pixels.
    Raises UserError for missing, extra, misshapen or non-finite entries.
    """
    content, where = read_content(path), str(path)
    prefix = _prefix(content.tensors, where)
    tensors = {name.removeprefix(prefix): tensor for name, tensor in content.tensors.items() if name.startswith(prefix)}
    renamed = {layer_renamed(name, TORCHVISION): name for name in tensors if name not in _IMAGENET_HEAD}
    layers = RELU_LAYERS if any(name.startswith(_HEAD) for name in renamed) else _CONV_LAYERS
    expected = {p.name: p for p in parameters(recipe) if p.name.split(".")[0] in layers}
    arrays = {}
    for name, theirs in renamed.items():
        array = as_float32(theirs, read_stored(tensors[theirs], f"{where}: {printable(theirs, 100)}"), where)
        is_transposed = content.is_transposed and name in expected
        arrays[name] = transposed(array, expected[name].kind) if is_transposed else array
    if _has_published_head(arrays, recipe):
        arrays, expected = (
            {name: value for name, value in part.items() if not name.startswith(_HEAD)} for part in (arrays, expected)
        )
    check_shapes(arrays, list(expected.values()), where)
    return arrays


def _has_published_head(arrays: Arrays, recipe: Recipe) -> bool:
    """Whether fc6 and fc7 are those of the published network, and the recipe's network is another one."""
    paper = PRESETS["paper"]
    if sizes_of(recipe)[1:] == sizes_of(paper)[1:]:
        return False
    published = dataclasses.replace(recipe, hidden_units=paper.hidden_units, pooled_px=paper.pooled_px)
    head = {p.name: p.shape for p in parameters(published) if p.name.startswith(_HEAD)}
    return all(name in arrays and arrays[name].shape == shape for name, shape in head.items())


def _prefix(tensors: Mapping[str, object], where: str) -> str:
    """What stands before the names of all layers; UserError where no network is found, or several."""
    prefixes = sorted(
        {
            name.removesuffix(first)
            for name in tensors
            for first in _FIRST
            if name == first or name.endswith(f".{first}")
        }
    )
    if len(prefixes) != 1:
        received = " or ".join(f"'{printable(prefix, 60)}{_FIRST[0]}'" for prefix in prefixes[:8]) or "none of them"
        raise UserError(
            f"{where}: expected AlexNet's layers under torchvision's names ({_FIRST[0]}, ...) or ours ({_FIRST[1]}, "
            f"...), received {received}"
        )
    return prefixes[0]
