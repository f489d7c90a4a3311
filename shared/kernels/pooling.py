"""The adaptive average pool, forward and backward."""

import numpy as np

from shared.kernels.products import contiguous


def average(x: np.ndarray, side: int) -> np.ndarray:
    """``x`` (N, C, H, W) -> (N, C, side, side): the mean of a window for each place.

    Along an axis of H inputs, window i has inputs i*H // side up to, not with, (i+1)*H / side rounded up. A window is
    summed in float64, row after row, divided by its count, and rounded once.
    """
    from shared.kernels import loops

    result = np.empty((x.shape[0] * x.shape[1], side, side), np.float32)
    loops.average(contiguous(x).reshape(-1, *x.shape[2:]), result)
    return result.reshape(*x.shape[:2], side, side)


def average_gradient(gradient: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient at ``x``: from each window its gradient over its count, added window after window in float64.

    The sum at an input is rounded once.
    """
    from shared.kernels import loops

    result = np.zeros((x.shape[0] * x.shape[1], *x.shape[2:]), np.float64)
    loops.spread(contiguous(gradient).reshape(-1, *gradient.shape[2:]), result)
    return result.astype(np.float32).reshape(x.shape)
