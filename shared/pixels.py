"""Upsampling exactly as Pillow does it on uint8, and ImageNet normalisation: the tables and a NumPy witness.

Pillow's ``resize(..., BILINEAR)`` makes two passes, columns first, each with 22-bit fixed-point weights and rounded
to uint8 (``Resample.c``). The workers do the same as two products with ``matrix`` in float64: every product and sum
is a multiple of 2**-22 below 2**9, hence exact in any order of summation, and all sides get the same integers.
"""

from typing import NamedTuple

import numpy as np

from shared.errors import UserError

_WEIGHT_BITS = 22
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# normalised = pixel * SCALE + SHIFT, one float32 rounding each, equal in every framework
SCALE = (1 / (255 * np.array(IMAGENET_STD))).astype(np.float32)
SHIFT = (-np.array(IMAGENET_MEAN) / np.array(IMAGENET_STD)).astype(np.float32)


class _Taps(NamedTuple):
    """Output pixel i is round((source[low[i]] * low_weight[i] + source[high[i]] * high_weight[i]) / 2**22)."""

    low: np.ndarray  # int64 (target,)
    high: np.ndarray  # int64 (target,)
    low_weight: np.ndarray  # int32 (target,)
    high_weight: np.ndarray  # int32 (target,)


def _taps(source: int, target: int) -> _Taps:
    if target < source:
        raise UserError(f"input_px: expected at least the image size {source}, received {target}")
    centre = (np.arange(target) + 0.5) * (source / target)
    low = np.maximum((centre - 0.5).astype(np.int64), 0)
    high = np.minimum((centre + 1.5).astype(np.int64), source) - 1
    weights = [np.maximum(1 - np.abs(index - centre + 0.5), 0.0) for index in (low, high)]
    weights[1][high == low] = 0.0
    total = weights[0] + weights[1]
    fixed = [(0.5 + weight / total * (1 << _WEIGHT_BITS)).astype(np.int32) for weight in weights]
    return _Taps(low, high, *fixed)


def matrix(source: int, target: int) -> np.ndarray:
    """Bilinear weights float64 (target, source), multiples of 2**-22: pass = floor(matrix @ pixels + 1/2).

    Raises UserError when ``target`` is smaller than ``source``: two taps do for upsampling only.
    """
    axis, rows = _taps(source, target), np.arange(target)
    weights = np.zeros((target, source))
    np.add.at(weights, (rows, axis.low), axis.low_weight / (1 << _WEIGHT_BITS))
    np.add.at(weights, (rows, axis.high), axis.high_weight / (1 << _WEIGHT_BITS))
    return weights


def upsample(images: np.ndarray, target: int) -> np.ndarray:
    """uint8 (N, H, W, C) -> uint8 (N, C, target, target)."""
    columns = _resize_last(images.transpose(0, 3, 1, 2), _taps(images.shape[2], target))
    rows = _resize_last(columns.swapaxes(2, 3), _taps(images.shape[1], target))
    return np.ascontiguousarray(rows.swapaxes(2, 3))


def normalise(pixels: np.ndarray) -> np.ndarray:
    """uint8 (N, 3, H, W) -> float32 with ImageNet's mean and deviation removed."""
    return pixels.astype(np.float32) * SCALE.reshape(3, 1, 1) + SHIFT.reshape(3, 1, 1)


def _resize_last(values: np.ndarray, axis: _Taps) -> np.ndarray:
    total = values[..., axis.low].astype(np.int32) * axis.low_weight
    total += values[..., axis.high].astype(np.int32) * axis.high_weight
    return ((total + (1 << (_WEIGHT_BITS - 1))) >> _WEIGHT_BITS).astype(np.uint8)
