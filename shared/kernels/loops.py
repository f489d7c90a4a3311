"""Compiled loops of the kernels. Imported where they are used: numba takes longer to import than all else.

numba keeps the order of float operations, and fuses none, unless it is told otherwise.
"""

import numpy as np
from numba import njit

_compile = njit(nogil=True, cache=True)


@_compile
def _inside(tap, size, stride, padding, outputs):
    """First and last + 1 of the outputs for which this tap of the window lies inside ``size`` inputs."""
    first = max(0, (padding - tap + stride - 1) // stride)
    last = min(outputs, (size - 1 + padding - tap) // stride + 1)
    return first, max(first, last)


@_compile
def unfold(x, side, stride, padding, rows, columns, out):
    """``out`` (C*side*side, N*rows*columns) := the inputs under each tap of the window in ``x`` (N, C, H, W)."""
    images, channels, height, width = x.shape
    for channel in range(channels):
        for i in range(side):
            top, bottom = _inside(i, height, stride, padding, rows)
            for j in range(side):
                left, right = _inside(j, width, stride, padding, columns)
                taps = out[(channel * side + i) * side + j]
                for image in range(images):
                    for row in range(rows):
                        at = (image * rows + row) * columns
                        if row < top or row >= bottom:
                            taps[at : at + columns] = 0
                            continue
                        line = x[image, channel, row * stride + i - padding]
                        for column in range(left):
                            taps[at + column] = 0
                        if stride == 1:
                            for column in range(left, right):
                                taps[at + column] = line[column + j - padding]
                        else:
                            for column in range(left, right):
                                taps[at + column] = line[column * stride + j - padding]
                        for column in range(right, columns):
                            taps[at + column] = 0


@_compile
def fold(taps, side, stride, padding, rows, columns, out):
    """Add ``taps`` (C*side*side, N*rows*columns) to ``out`` (N, C, H, W), tap after tap: ``unfold`` backwards."""
    images, channels, height, width = out.shape
    for channel in range(channels):
        for i in range(side):
            top, bottom = _inside(i, height, stride, padding, rows)
            for j in range(side):
                left, right = _inside(j, width, stride, padding, columns)
                values = taps[(channel * side + i) * side + j]
                for image in range(images):
                    for row in range(top, bottom):
                        at = (image * rows + row) * columns
                        line = out[image, channel, row * stride + i - padding]
                        if stride == 1:
                            for column in range(left, right):
                                line[column + j - padding] += values[at + column]
                        else:
                            for column in range(left, right):
                                line[column * stride + j - padding] += values[at + column]


@_compile
def sum_channels(gradient, out):
    """``out`` (O,) := sums of ``gradient`` (N, O, P) in float64, image after image, place after place."""
    images, channels, places = gradient.shape
    for channel in range(channels):
        total = 0.0
        for image in range(images):
            for place in range(places):
                total += np.float64(gradient[image, channel, place])
        out[channel] = total


@_compile
def average(x, out):
    """``out`` (M, S, S) := means of the windows of ``x`` (M, H, W), each summed in float64, row after row."""
    maps, height, width = x.shape
    side = out.shape[1]
    for index in range(maps):
        for i in range(side):
            top, bottom = i * height // side, -(-(i + 1) * height // side)
            for j in range(side):
                left, right = j * width // side, -(-(j + 1) * width // side)
                total = 0.0
                for row in range(top, bottom):
                    for column in range(left, right):
                        total += np.float64(x[index, row, column])
                out[index, i, j] = total / ((bottom - top) * (right - left))


@_compile
def spread(gradient, out):
    """``average`` backwards: add the share of each window of ``gradient`` (M, S, S) to ``out`` float64 (M, H, W)."""
    maps, height, width = out.shape
    side = gradient.shape[1]
    for index in range(maps):
        for i in range(side):
            top, bottom = i * height // side, -(-(i + 1) * height // side)
            for j in range(side):
                left, right = j * width // side, -(-(j + 1) * width // side)
                share = np.float64(gradient[index, i, j]) / ((bottom - top) * (right - left))
                for row in range(top, bottom):
                    for column in range(left, right):
                        out[index, row, column] += share


@_compile
def update(parameter, gradient, velocity, learning_rate, momentum, decay):
    """One step of SGD on flat arrays; every coefficient float32, and every operation rounded to it."""
    for index in range(parameter.size):
        slope = decay * parameter[index] + gradient[index]
        velocity[index] = momentum * velocity[index] + slope
        parameter[index] -= learning_rate * velocity[index]
