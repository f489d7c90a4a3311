"""Fully connected layers, forward and backward."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shared.kernels.products import contiguous, do_all, parts, product

# of a weight in a part: enough for a product at BLAS's full speed
_NUMBERS = 2**22


@dataclass(frozen=True)
class Linear:
    """y = x @ weight.T + bias; ``x`` (B, inputs), ``weight`` (outputs, inputs), ``bias`` (outputs,) or None.

    Products are made in parts of outputs, or of inputs, of a number that the weight's shape decides. BLAS rounds their
    sums; no part's sum depends on another's.
    """

    group: ClassVar[str] = "linear"

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
        """The outputs (B, outputs); the bias is added last, and rounded."""
        x, weight = contiguous(x), contiguous(weight)
        y = np.empty((len(x), len(weight)), np.float32)

        def of(outputs: slice) -> None:
            y[:, outputs] = product(x, weight[outputs].T)

        do_all(of, parts(len(weight), _NUMBERS // weight.shape[1]))
        if bias is not None:
            y += bias
        return y

    def input_gradient(self, gradient: np.ndarray, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """``gradient @ weight`` (B, inputs)."""
        gradient, weight = contiguous(gradient), contiguous(weight)
        result = np.empty(x.shape, np.float32)

        def of(inputs: slice) -> None:
            result[:, inputs] = product(gradient, weight[:, inputs])

        do_all(of, parts(weight.shape[1], _NUMBERS // len(weight)))
        return result

    def weight_gradient(self, gradient: np.ndarray, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """``gradient.T @ x`` (outputs, inputs)."""
        gradient, x = contiguous(gradient), contiguous(x)
        result = np.empty(weight.shape, np.float32)

        def of(outputs: slice) -> None:
            result[outputs] = product(gradient[:, outputs].T, x)

        do_all(of, parts(len(weight), _NUMBERS // weight.shape[1]))
        return result

    def bias_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Sums over the batch, in its order, in float64; rounded once."""
        from shared.kernels import loops

        result = np.empty(gradient.shape[1], np.float64)
        loops.sum_channels(contiguous(gradient)[:, :, None], result)
        return result.astype(np.float32)
