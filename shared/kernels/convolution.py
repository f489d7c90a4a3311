"""Convolution of square windows, forward and backward, as products of unfolded images."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shared.kernels.products import contiguous, do_all, in_order, parts, product

# of a part, unless it then had fewer or more unfolded numbers: enough for BLAS's full speed, few enough for the caches
IMAGES = 8
_FEWEST, _MOST = 2**17, 5 * 2**20


@dataclass(frozen=True)
class Convolution:
    """A convolution with bias, by windows of one ``stride`` and ``padding`` along both sides.

    y[n, o, r, q] = b[o] + sum over c, i, j of w[o, c, i, j] * x[n, c, stride*r + i - padding, stride*q + j - padding],
    where x is 0 outside.
    ``x`` (N, C, H, W), ``weight`` (O, C, side, side), ``bias`` (O,), and y and its ``gradient`` (N, O, rows, columns).
    Images are unfolded and multiplied in parts of a number that their shape decides. In a part they are the last axis:
    what a tap of the window takes of a row is then one run of memory.
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
            y[images] = multiplied.reshape(outputs, rows, columns, -1).transpose(3, 0, 1, 2)

        do_all(of, self._parts(x, side))
        y += bias[:, None, None]
        return y

    def input_gradient(self, gradient: np.ndarray, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """A product a part, whose sums BLAS rounds; what falls on one input is added tap after tap in float32."""
        from shared.kernels import loops

        gradient, weight = contiguous(gradient), contiguous(weight)
        side, flat, result = weight.shape[2], weight.reshape(len(weight), -1), np.empty(x.shape, np.float32)

        def of(images: slice) -> None:
            taps = product(flat.T, _by_output(gradient[images]))
            folded = self._arranged_zeros(x[images])
            loops.fold(taps, side, *gradient.shape[2:], folded)
            loops.put_back(folded, self.padding, result[images])

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
        numbers = x.shape[1] * side**2 * rows * columns
        return parts(len(x), min(max(IMAGES, _FEWEST // numbers), _MOST // numbers))

    def _unfolded(self, x: np.ndarray, side: int) -> np.ndarray:
        """(C*side*side, rows*columns*N)."""
        from shared.kernels import loops

        rows, columns = (self._outputs(size, side) for size in x.shape[2:])
        result = np.empty((x.shape[1] * side**2, rows * columns * len(x)), np.float32)
        arranged = self._arranged_zeros(x)
        loops.arrange(x, self.padding, arranged)
        loops.unfold(arranged, side, rows, columns, result)
        return result

    def _arranged_zeros(self, x: np.ndarray) -> np.ndarray:
        images, channels, height, width = x.shape
        height, width = height + 2 * self.padding, -(-(width + 2 * self.padding) // self.stride)
        return np.zeros((channels, height, self.stride, width, images), np.float32)


def _by_output(gradient: np.ndarray) -> np.ndarray:
    """(N, O, rows, columns) -> (O, rows*columns*N)."""
    return np.ascontiguousarray(gradient.transpose(1, 2, 3, 0)).reshape(gradient.shape[1], -1)
