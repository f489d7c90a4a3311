"""Weights in the neutral form: float32, torch orientation, our parameter names, in a safetensors file."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from shared.errors import UserError
from shared.files import atomic_path, sha256_of
from shared.names import TORCHVISION, layer_renamed
from shared.randomness import uniform_weights
from shared.recipe import DROPOUT_PROBABILITY, RELU_LAYERS, Parameter, Recipe, parameters
from shared.schema import parse_json

Arrays = dict[str, np.ndarray]

_IMAGENET_HEAD = {"classifier.6.weight", "classifier.6.bias"}
_MOMENTUM = "momentum."  # before the name of the parameter it belongs to
_AFTER_DROPOUT = ("fc6", "fc7")
_CONV_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")


def initial_weights(recipe: Recipe, backbone: Mapping[str, np.ndarray]) -> Arrays:
    """The weights both frameworks start from: ``backbone`` where it has them, random elsewhere.

    Layers before a ReLU are He-uniform with zero bias, U(+-sqrt(6/fan_in)) (He et al., ICCV 2015, eq. 10); fc6
    and fc7 see inputs whose second moment dropout has multiplied by 1/keep, so there it is sqrt(6*keep/fan_in).
    The hash layer and the classifier are U(+-1/sqrt(fan_in)), bias included, as in the published code.
    """
    table, seed = parameters(recipe), recipe.seed_of("weights")
    shapes = {parameter.name: parameter.shape for parameter in table}
    return {p.name: np.array(backbone[p.name]) if p.name in backbone else _random(seed, p, shapes) for p in table}


def _random(seed: int, parameter: Parameter, shapes: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    layer, what = parameter.name.split(".")
    fan_in = math.prod(shapes[f"{layer}.weight"][1:])
    if layer not in RELU_LAYERS:
        return uniform_weights(seed, parameter.name, parameter.shape, 1 / math.sqrt(fan_in))
    if what == "bias":
        return np.zeros(parameter.shape, np.float32)
    keep = 1 - DROPOUT_PROBABILITY if layer in _AFTER_DROPOUT else 1
    return uniform_weights(seed, parameter.name, parameter.shape, math.sqrt(6 * keep / fan_in))


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, shapes and float32 values, in the order of the names."""
    parts = []
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], "<f4")
        parts += [f"{name}{array.shape}".encode(), array.data]
    return sha256_of(*parts)


def save(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, object],
    momentum: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write ``arrays`` and their ``momentum`` atomically as float32 safetensors, ``metadata`` as one JSON string."""
    every = {**arrays, **{_MOMENTUM + name: array for name, array in (momentum or {}).items()}}
    contiguous = {name: np.ascontiguousarray(array, np.float32) for name, array in every.items()}
    with atomic_path(path) as temporary:
        save_file(contiguous, temporary, metadata={"greedyhash": json.dumps(metadata, sort_keys=True)})


def load(path: Path) -> tuple[Arrays, dict]:
    """The float32 arrays, without momentum, and the metadata ({} if foreign) of a safetensors file.

    Raises UserError for a missing or damaged file, another dtype, or a value that is not finite.
    """
    arrays, metadata = _read(path, lambda name: not name.startswith(_MOMENTUM))
    return arrays, metadata


def load_momentum(path: Path) -> Arrays:
    """The momentum that ``save`` wrote beside the arrays, under their names; empty if there is none.

    Raises UserError like ``load``.
    """
    arrays, _ = _read(path, lambda name: name.startswith(_MOMENTUM))
    return {name.removeprefix(_MOMENTUM): array for name, array in arrays.items()}


def check_values(name: str, array: np.ndarray, where: str) -> None:
    """Raise UserError unless ``array`` is float32 and finite."""
    if array.dtype != np.float32:
        raise UserError(f"{where}: {name}: expected float32, received {array.dtype}")
    if not np.isfinite(array).all():
        raise UserError(f"{where}: {name}: expected finite values, received NaN or infinity")


def _read(path: Path, wanted: Callable[[str], bool]) -> tuple[Arrays, dict]:
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in filter(wanted, file.keys())}
            metadata = parse_json((file.metadata() or {}).get("greedyhash", "{}"), f"{path}: metadata")
        if not isinstance(metadata, dict):
            raise ValueError("its metadata is no JSON object")
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: expected a safetensors file, received one that fails: {error}") from error
    for name, array in arrays.items():
        check_values(name, array, str(path))
    return arrays, metadata


def load_exactly(path: Path, recipe: Recipe) -> tuple[Arrays, dict]:
    """Like ``load``, and the arrays must be this recipe's parameters, no more and no fewer."""
    arrays, metadata = load(path)
    _check(arrays, parameters(recipe), str(path))
    return {p.name: arrays[p.name] for p in parameters(recipe)}, metadata


def load_backbone(path: Path, recipe: Recipe) -> Arrays:
    """AlexNet's layers from a safetensors file under torchvision's names or ours: all seven, or the convolutions.

    Raises UserError for missing, extra, misshapen or non-finite entries.
    """
    arrays, _ = load(path)
    renamed = {layer_renamed(name, TORCHVISION): array for name, array in arrays.items() if name not in _IMAGENET_HEAD}
    has_linear = any(name.startswith(("fc6.", "fc7.")) for name in renamed)
    layers = RELU_LAYERS if has_linear else _CONV_LAYERS
    expected = [p for p in parameters(recipe) if p.name.split(".")[0] in layers]
    _check(renamed, expected, str(path))
    return renamed


def layers_of(arrays: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """The names of the layers in ``arrays``, input side first."""
    return tuple(layer for layer in RELU_LAYERS if f"{layer}.weight" in arrays)


def _check(arrays: Arrays, expected: list[Parameter] | tuple[Parameter, ...], where: str) -> None:
    shapes = {parameter.name: parameter.shape for parameter in expected}
    missing, extra = sorted(shapes.keys() - arrays.keys()), sorted(arrays.keys() - shapes.keys())
    if missing or extra:
        raise UserError(f"{where}: expected the parameters {sorted(shapes)}; missing {missing}, not expected {extra}")
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise UserError(f"{where}: {name}: expected shape {shape}, received {arrays[name].shape}")
