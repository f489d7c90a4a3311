"""Weights in the neutral form: float32, torch orientation, our parameter names, in a safetensors file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from shared.config.recipe import Recipe
from shared.network.alexnet import RELU_LAYERS, Parameter, parameters
from shared.readers.float_types import type_name
from shared.readers.safetensors_files import read_safetensors
from shared.readers.trees import Stored, read_stored
from shared.system.errors import UserError, printable
from shared.system.files import atomic_path, sha256_of

Arrays = dict[str, np.ndarray]

_MOMENTUM = "momentum."  # before the name of the parameter it belongs to


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, shapes and float32 values, in the order of the names."""
    parts = []
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], "<f4")
        parts += [f"{name}{array.shape}".encode(), array.data]
    return sha256_of(*parts)


def state_digest(arrays: Mapping[str, np.ndarray], momentum: Mapping[str, np.ndarray]) -> str:
    """``digest`` of weights and momentum together: all that training goes on from."""
    return digest(_joined(arrays, momentum))


def save(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, object],
    momentum: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write ``arrays`` and their ``momentum`` atomically as float32 safetensors, ``metadata`` as one JSON string."""
    tensors = _joined(arrays, momentum or {})
    contiguous = {name: np.ascontiguousarray(array, np.float32) for name, array in tensors.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata={"greedyhash": json.dumps(metadata, sort_keys=True)})
        except SafetensorError as error:  # a full disk, say
            raise UserError(f"cannot write {path}: {error}; make room, or choose another place") from error


def load(path: Path) -> tuple[Arrays, dict]:
    """The float32 arrays, without momentum, and the metadata ({} if foreign) of a safetensors file.

    Raises UserError for a missing or damaged file, another dtype, or a value that is not finite.
    """
    tensors, metadata = read_safetensors(path)
    weights, _ = separate_momentum(tensors)
    arrays = {name: read_stored(tensor, f"{path}: {name}") for name, tensor in weights.items()}
    for name, array in arrays.items():
        _check_values(name, array, str(path))
    return arrays, metadata


def separate_momentum(tensors: Mapping[str, Stored]) -> tuple[dict[str, Stored], dict[str, Stored]]:
    """The weights among ``tensors``, and the momentum that ``save`` wrote beside them, under the weights' names."""
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(_MOMENTUM)}
    momentum = {name.removeprefix(_MOMENTUM): tensor for name, tensor in tensors.items() if name not in weights}
    return weights, momentum


def _joined(arrays: Mapping[str, np.ndarray], momentum: Mapping[str, np.ndarray]) -> Arrays:
    return {**arrays, **{_MOMENTUM + name: array for name, array in momentum.items()}}


def _check_values(name: str, array: np.ndarray, where: str) -> None:
    if array.dtype != np.float32:
        raise UserError(f"{where}: {printable(name, 100)}: expected float32, received {type_name(array)}")
    if not np.isfinite(array).all():
        raise UserError(f"{where}: {printable(name, 100)}: expected finite values, received NaN or infinity")


def load_exactly(path: Path, recipe: Recipe) -> tuple[Arrays, dict]:
    """Like ``load``, and the arrays must be this recipe's parameters, no more and no fewer."""
    arrays, metadata = load(path)
    check_shapes(arrays, parameters(recipe), str(path))
    return {p.name: arrays[p.name] for p in parameters(recipe)}, metadata


def layers_of(arrays: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """The names of the layers in ``arrays``, input side first."""
    return tuple(layer for layer in RELU_LAYERS if f"{layer}.weight" in arrays)


def check_shapes(arrays: Mapping[str, np.ndarray], expected: Sequence[Parameter], where: str) -> None:
    """Raise UserError unless ``arrays`` are those ``expected``, no more and no fewer."""
    shapes = {parameter.name: parameter.shape for parameter in expected}
    missing, extra = sorted(shapes.keys() - arrays.keys()), sorted(arrays.keys() - shapes.keys())
    if missing or extra:
        strange = [printable(name, 60) for name in extra[:8]]
        raise UserError(f"{where}: expected the parameters {sorted(shapes)}; missing {missing}, not expected {strange}")
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise UserError(f"{where}: {name}: expected shape {shape}, received {arrays[name].shape}")
