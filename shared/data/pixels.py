"""Upsampling exactly as Pillow does it on uint8, and ImageNet normalisation: the tables and a NumPy reference.

Pillow's ``resize(..., BILINEAR)`` makes two passes, columns first, each with 22-bit fixed-point weights and rounded
to uint8 (``Resample.c``). The workers do the same as two products with ``matrix`` in float64: every product and sum
is a multiple of 2**-22 below 2**9, hence exact in any order of summation, and all sides get the same integers.
"""

import numpy as np

from shared.system.errors import UserError

_WEIGHT_BITS = 22
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# normalised = pixel * SCALE + SHIFT, one float32 rounding each, equal in every framework
SCALE = (1 / (255 * np.array(IMAGENET_STD))).astype(np.float32)
SHIFT = (-np.array(IMAGENET_MEAN) / np.array(IMAGENET_STD)).astype(np.float32)


def matrix(source: int, target: int) -> np.ndarray:
    """Bilinear weights float64 (target, source), multiples of 2**-22: one pass is floor(matrix @ pixels + 1/2).

    Raises UserError when ``target`` is smaller than ``source``, where Pillow's filter would be wider.
    """
    return _fixed_point(source, target) / (1 << _WEIGHT_BITS)


def columns_matrix(source: int, target: int) -> np.ndarray:
    """``matrix`` as a product from the right takes it: float64 (source, target)."""
    return np.ascontiguousarray(matrix(source, target).T)


def channels_first(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, C) -> (N, C, H, W), in that order in memory."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def upsample(images: np.ndarray, target: int) -> np.ndarray:
    """uint8 (N, H, W, C) -> uint8 (N, C, target, target), in integer arithmetic."""
    half = 1 << (_WEIGHT_BITS - 1)
    rows, columns = (_fixed_point(side, target) for side in images.shape[1:3])
    x = images.transpose(0, 3, 1, 2).astype(np.int64)
    x = (x @ columns.T + half) >> _WEIGHT_BITS
    return ((rows @ x + half) >> _WEIGHT_BITS).astype(np.uint8)


def normalise(pixels: np.ndarray) -> np.ndarray:
    """uint8 (N, 3, H, W) -> float32 with ImageNet's mean and deviation removed."""
    return pixels.astype(np.float32) * SCALE.reshape(3, 1, 1) + SHIFT.reshape(3, 1, 1)


def _fixed_point(source: int, target: int) -> np.ndarray:
    """Weights times 2**22 as Pillow rounds them, int64 (target, source)."""
    if target < source:
        raise UserError(f"input_px: expected at least the image size {source}, received {target}")
    centre = ((np.arange(target) + 0.5) * (source / target))[:, None]
    position = np.arange(source)
    # truncation and order of additions as in Pillow: they decide where a centre falls between two pixels
    inside = (position >= np.trunc(centre - 1.0 + 0.5)) & (position < np.trunc(centre + 1.0 + 0.5))
    weights = np.where(inside, np.maximum(1 - np.abs(position - centre + 0.5), 0.0), 0.0)
    return (0.5 + weights / weights.sum(axis=1, keepdims=True) * (1 << _WEIGHT_BITS)).astype(np.int64)
