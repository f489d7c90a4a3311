"""Decisions that differ between the two sides: ReLUs, max-pools and signs, and how far they are from the other one."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.worker.probe import STAGE, Arrays

# stage whose output is decided upon -> kind of decision
_BEFORE_RELU = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
_BEFORE_POOL = ("relu1", "relu2", "relu5")


class Flip(NamedTuple):
    """One decision: where, in which image of the batch, both values, and their ``distance`` from the other decision."""

    stage: str
    kind: str
    image: int
    unit: tuple[int, ...]
    values: tuple[float, float]
    distance: float


def find_flips(ours: Arrays, reference: Arrays) -> list[Flip]:
    """All decisions that differ between two forward passes, input side first."""
    flips = [flip for name in _BEFORE_RELU for flip in _sign_flips(name, "ReLU", ours, reference)]
    flips += [flip for name in _BEFORE_POOL for flip in _pool_flips(name, ours, reference)]
    return flips + _sign_flips("hash", "sign", ours, reference)


def _sign_flips(name: str, kind: str, ours: Arrays, reference: Arrays) -> list[Flip]:
    a, b = ours[STAGE + name], reference[STAGE + name]
    places = np.argwhere((a > 0) != (b > 0))
    return [_flip(name, kind, place, a[tuple(place)], b[tuple(place)]) for place in places]


def _flip(name: str, kind: str, place: np.ndarray, a: float, b: float) -> Flip:
    unit = tuple(int(i) for i in place[1:])
    return Flip(name, kind, int(place[0]), unit, (float(a), float(b)), float(min(abs(a), abs(b))))


def _pool_flips(name: str, ours: Arrays, reference: Arrays) -> list[Flip]:
    a, b = (_windows(side[STAGE + name]) for side in (ours, reference))
    places = np.argwhere(a.argmax(axis=-1) != b.argmax(axis=-1))
    return [_pool_flip(name, place, b[tuple(place)]) for place in places]


def _pool_flip(name: str, place: np.ndarray, window: np.ndarray) -> Flip:
    runner_up, top = (float(value) for value in np.sort(window)[-2:])
    return Flip(name, "max-pool", int(place[0]), tuple(map(int, place[1:])), (top, runner_up), top - runner_up)


def _windows(x: np.ndarray) -> np.ndarray:
    windows = sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    return windows.reshape(*windows.shape[:4], 9)
