"""Convolution of square windows, forward and backward, as products of unfolded images."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shared.kernels.products import contiguous, do_all, in_order, parts, product


@dataclass(frozen=True)
class Convolution:
    """A convolution with bias, by windows of one ``stride`` and ``padding`` along both sides.

    y[n, o, r, q] = b[o] + sum over c, i, j of w[o, c, i, j] * x[n, c, stride*r + i - padding, stride*q + j - padding],
    where x is 0 outside.
    ``x`` (N, C, H, W), ``weight`` (O, C, side, side), ``bias`` (O,), and y and its ``gradient`` (N, O, rows, columns).
    Images are unfolded and multiplied in parts of a number that their shape decides.
    """

    stride: int
    padding: int
    group: ClassVar[str] = "conv"

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """y: a product a part, whose sums BLAS rounds; the bias is added last, and rounded."""
        x, weight = contiguous(x), contiguous(weight)
        outputs, side = weight.shape[0], weight.shape[2]
        rows, columns = (self._outputs(size, side) for size in x.shape[2:])
        flat, y = weight.reshape(outputs, -1), np.empty((len(x), outputs, rows, columns), np.float32)

        def of(images: slice) -> None:
            multiplied = product(flat, self._unfolded(x[images], side))
            y[images] = multiplied.reshape(outputs, -1, rows, columns).transpose(1, 0, 2, 3)

        do_all(of, self._parts(x, side))
        y += bias[:, None, None]
        return y

    def input_gradient(self, gradient: np.ndarray, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """A product a part, whose sums BLAS rounds; what falls on one input is added tap after tap in float32."""
        from shared.kernels import loops

        gradient, weight = contiguous(gradient), contiguous(weight)
        side, flat, result = weight.shape[2], weight.reshape(len(weight), -1), np.zeros(x.shape, np.float32)

        def of(images: slice) -> None:
            taps = product(flat.T, _by_output(gradient[images]))
            loops.fold(taps, side, self.stride, self.padding, *gradient.shape[2:], result[images])

        do_all(of, self._parts(x, side))
        return result

    def weight_gradient(self, gradient: np.ndarray, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """A product a part, whose sums BLAS rounds; those of the parts are added one after the other in float32."""
        gradient, x, side = contiguous(gradient), contiguous(x), weight.shape[2]

        def of(images: slice) -> np.ndarray:
            return product(_by_output(gradient[images]), self._unfolded(x[images], side).T)

        result = np.zeros((len(weight), weight[0].size), np.float32)
        for part in in_order(of, self._parts(x, side)):
            result += part
        return result.reshape(weight.shape)

    def bias_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Sums over images and places, in this order, in float64; rounded once."""
        from shared.kernels import loops

        result = np.empty(gradient.shape[1], np.float64)
        loops.sum_channels(contiguous(gradient).reshape(*gradient.shape[:2], -1), result)
        return result.astype(np.float32)

    def _outputs(self, size: int, side: int) -> int:
        return (size + 2 * self.padding - side) // self.stride + 1

    def _parts(self, x: np.ndarray, side: int) -> list[slice]:
        rows, columns = (self._outputs(size, side) for size in x.shape[2:])
        return parts(len(x), x.shape[1] * side**2 * rows * columns)

    def _unfolded(self, x: np.ndarray, side: int) -> np.ndarray:
        """(C*side*side, N*rows*columns)."""
        from shared.kernels import loops

        rows, columns = (self._outputs(size, side) for size in x.shape[2:])
        result = np.empty((x.shape[1] * side**2, len(x) * rows * columns), np.float32)
        loops.unfold(x, side, self.stride, self.padding, rows, columns, result)
        return result


def _by_output(gradient: np.ndarray) -> np.ndarray:
    """(N, O, rows, columns) -> (O, N*rows*columns)."""
    return np.ascontiguousarray(gradient.transpose(1, 0, 2, 3)).reshape(gradient.shape[1], -1)
