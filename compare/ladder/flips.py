"""Decisions that differ from those of the float64 pass: ReLUs, max-pools and signs, and how close they were."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.worker.probe import STAGE, Arrays

# stage whose output is decided upon -> kind of decision
_BEFORE_RELU = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
_BEFORE_POOL = ("relu1", "relu2", "relu5")
_POOL = "max-pool"


class Flip(NamedTuple):
    """One decision: where, in which image of the batch, both values, and how far it is from the other decision.

    ``distance`` is measured in float64: of a value from 0, or of the largest value of a max-pool from the second.
    """

    stage: str
    kind: str
    image: int
    unit: tuple[int, ...]
    values: tuple[float, float]
    distance: float

    @property
    def values_compared(self) -> int:
        """How many computed values the decision compares: one with 0, or two."""
        return 2 if self.kind == _POOL else 1


def find_flips(ours: Arrays, exact: Arrays) -> list[Flip]:
    """All decisions of a forward pass that differ from those of the float64 pass, input side first."""
    flips = [flip for name in _BEFORE_RELU for flip in _sign_flips(name, "ReLU", ours, exact)]
    flips += [flip for name in _BEFORE_POOL for flip in _pool_flips(name, ours, exact)]
    return flips + _sign_flips("hash", "sign", ours, exact)


def _sign_flips(name: str, kind: str, ours: Arrays, exact: Arrays) -> list[Flip]:
    a, b = ours[STAGE + name], exact[STAGE + name]
    places = np.argwhere((a > 0) != (b > 0))
    return [_sign_flip(name, kind, place, a[tuple(place)], b[tuple(place)]) for place in places]


def _sign_flip(name: str, kind: str, place: np.ndarray, a: float, b: float) -> Flip:
    return Flip(name, kind, int(place[0]), tuple(map(int, place[1:])), (float(a), float(b)), float(abs(b)))


def _pool_flips(name: str, ours: Arrays, exact: Arrays) -> list[Flip]:
    a, b = (_windows(side[STAGE + name]) for side in (ours, exact))
    places = np.argwhere(a.argmax(axis=-1) != b.argmax(axis=-1))
    return [_pool_flip(name, place, b[tuple(place)]) for place in places]


def _pool_flip(name: str, place: np.ndarray, window: np.ndarray) -> Flip:
    runner_up, top = (float(value) for value in np.sort(window)[-2:])
    return Flip(name, _POOL, int(place[0]), tuple(map(int, place[1:])), (top, runner_up), top - runner_up)


def _windows(x: np.ndarray) -> np.ndarray:
    windows = sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    return windows.reshape(*windows.shape[:4], 9)
