"""Compiled loops of the kernels. Imported where they are used: numba takes longer to import than all else.

numba keeps the order of float operations, and fuses none, unless it is told otherwise.
"""

import numpy as np
from numba import njit

_compile = njit(nogil=True, cache=True)


@_compile
def arrange(x, padding, out):
    """``out`` (C, H + 2*padding, stride, W, N) := ``x`` (N, C, H, width), padded.

    Column ``stride*w + phase`` is ``out[:, :, phase, w]``: what a tap of the window takes of a row is a run of memory.
    """
    images, channels, height, width = x.shape
    stride = out.shape[2]
    for channel in range(channels):
        for row in range(height):
            for column in range(width):
                w, phase = divmod(column + padding, stride)
                for image in range(images):
                    out[channel, row + padding, phase, w, image] = x[image, channel, row, column]


@_compile
def put_back(x, padding, out):
    """``arrange`` backwards, without the padding: from ``x`` to ``out``."""
    images, channels, height, width = out.shape
    stride = x.shape[2]
    for channel in range(channels):
        for row in range(height):
            for column in range(width):
                w, phase = divmod(column + padding, stride)
                for image in range(images):
                    out[image, channel, row, column] = x[channel, row + padding, phase, w, image]


@_compile
def unfold(x, side, rows, columns, out):
    """``out`` (C*side*side, rows*columns*N) := the inputs under each tap of the window in ``x``, which is arranged."""
    channels, _, stride, _, images = x.shape
    size = columns * images
    for channel in range(channels):
        for i in range(side):
            for j in range(side):
                taps = out[(channel * side + i) * side + j]
                start = j // stride * images
                for row in range(rows):
                    line = x[channel, row * stride + i, j % stride].reshape(-1)
                    for place in range(size):
                        taps[row * size + place] = line[start + place]


@_compile
def fold(taps, side, rows, columns, out):
    """Add ``taps`` to ``out``, which is arranged, tap after tap: ``unfold`` backwards."""
    channels, _, stride, _, images = out.shape
    size = columns * images
    for channel in range(channels):
        for i in range(side):
            for j in range(side):
                values = taps[(channel * side + i) * side + j]
                start = j // stride * images
                for row in range(rows):
                    line = out[channel, row * stride + i, j % stride].reshape(-1)
                    for place in range(size):
                        line[start + place] += values[row * size + place]


@_compile
def transpose(matrix, first, last, out):
    """``out`` (N, M) := ``matrix`` (M, N) transposed, of its rows those from ``first`` up to ``last``, in blocks."""
    columns, block = matrix.shape[1], 64
    for row in range(first, last, block):
        for column in range(0, columns, block):
            for j in range(column, min(columns, column + block)):
                for i in range(row, min(last, row + block)):
                    out[j, i] = matrix[i, j]


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
