"""The shared kernels beside naive loops in float64, for any shape, and their bits for any number of threads."""

import hashlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernels import convolution, losses, momentum, pooling, products
from shared.kernels.convolution import Convolution
from shared.kernels.linear import Linear
from tests import helpers

UNIT = 2.0**-24


def drawn(seed, *shapes):
    generator = np.random.RandomState(seed)
    return [generator.standard_normal(shape).astype(np.float32) for shape in shapes]


def check_close(received, expected, operations):
    """As near as float32 sums of so many products, in any order, are to their exact value."""
    assert received.dtype == np.float32
    assert received.shape == expected.shape
    assert np.isfinite(received).all()
    allowed = (operations + 2) * UNIT * max(1.0, float(np.abs(expected).max(initial=0.0)))
    assert np.abs(received - expected).max(initial=0.0) <= 8 * allowed


@st.composite
def convolutions(draw):
    side, stride, padding = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(0, 3))
    least = max(1, side - 2 * padding)
    height, width = (draw(st.integers(least, least + 6)) for _ in range(2))
    images, channels, outputs = (draw(st.integers(1, 4)) for _ in range(3))
    return Convolution(stride, padding), (images, channels, height, width), (outputs, channels, side, side)


def taps(kernel, x_shape, weight_shape):
    """Every product of a convolution: (output's place, weight's place, input's place)."""
    (images, _, height, width), (outputs, channels, side, _) = x_shape, weight_shape
    rows, columns = ((size + 2 * kernel.padding - side) // kernel.stride + 1 for size in (height, width))
    places = itertools.product(*map(range, (images, outputs, rows, columns, channels, side, side)))
    for n, o, r, q, c, i, j in places:
        row, column = r * kernel.stride + i - kernel.padding, q * kernel.stride + j - kernel.padding
        if 0 <= row < height and 0 <= column < width:
            yield (n, o, r, q), (o, c, i, j), (n, c, row, column)


@settings(deadline=None, max_examples=30)
@given(convolutions(), st.integers(0, 2**32 - 1))
def test_convolution_forward_and_backward(case, seed):
    kernel, x_shape, weight_shape = case
    x, weight, bias = drawn(seed, x_shape, weight_shape, weight_shape[0])
    received = kernel.forward(x, weight, bias)
    (gradient,) = drawn(seed + 1 if seed < 2**32 - 1 else 0, received.shape)
    y, dx, dw = (np.zeros(shape) for shape in (received.shape, x_shape, weight_shape))
    y += bias[:, None, None].astype(np.float64)
    for at_y, at_w, at_x in taps(kernel, x_shape, weight_shape):
        y[at_y] += float(weight[at_w]) * float(x[at_x])
        dx[at_x] += float(weight[at_w]) * float(gradient[at_y])
        dw[at_w] += float(gradient[at_y]) * float(x[at_x])
    check_close(received, y, weight[0].size)
    check_close(kernel.input_gradient(gradient, x, weight), dx, weight.size)
    check_close(kernel.weight_gradient(gradient, x, weight), dw, gradient[:, 0].size)
    exact = gradient.astype(np.float64).sum(axis=(0, 2, 3))
    np.testing.assert_allclose(kernel.bias_gradient(gradient), exact, rtol=2 * UNIT, atol=1e-12)


def test_convolution_of_several_parts():
    kernel, (x, weight, bias) = Convolution(4, 2), drawn(9, (20, 3, 64, 64), (8, 3, 11, 11), 8)
    assert len(x) > 2 * convolution.IMAGES

    def windows(images):
        padded = np.pad(images.astype(np.float64), [(0, 0), (0, 0), (2, 2), (2, 2)])
        return np.lib.stride_tricks.sliding_window_view(padded, (11, 11), axis=(2, 3))[:, :, ::4, ::4]

    def forward(images):
        return np.einsum("ncrqij,ocij->norq", windows(images), weight, optimize=True)

    y = forward(x) + bias[:, None, None]
    check_close(kernel.forward(x, weight, bias), y, weight[0].size)
    gradient, other = drawn(10, y.shape, x.shape)
    dw = np.einsum("norq,ncrqij->ocij", gradient, windows(x), optimize=True)
    check_close(kernel.weight_gradient(gradient, x, weight), dw, gradient[:, 0].size)
    dx = kernel.input_gradient(gradient, x, weight)  # of each image the transpose of the forward pass
    of_dx, of_y = ((a * b).sum(axis=(1, 2, 3), dtype=np.float64) for a, b in ((dx, other), (gradient, forward(other))))
    np.testing.assert_allclose(of_dx, of_y, rtol=1e-4)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(0, 2**32 - 2))
def test_linear_forward_and_backward(batch, inputs, outputs, with_bias, seed):
    kernel = Linear()
    x, weight, bias, gradient = drawn(seed, (batch, inputs), (outputs, inputs), outputs, (batch, outputs))
    wide = [array.astype(np.float64) for array in (x, weight, bias, gradient)]
    y = np.array([[sum(a * b for a, b in zip(row, of, strict=True)) for of in wide[1]] for row in wide[0]])
    check_close(kernel.forward(x, weight, bias if with_bias else None), y + with_bias * wide[2], inputs)
    check_close(kernel.input_gradient(gradient, x, weight), wide[3] @ wide[1], outputs)
    check_close(kernel.weight_gradient(gradient, x, weight), wide[3].T @ wide[0], batch)
    np.testing.assert_allclose(kernel.bias_gradient(gradient), wide[3].sum(axis=0), rtol=2 * UNIT, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 8), st.integers(0, 2**32 - 2))
def test_adaptive_pool_forward_and_backward(height, width, side, seed):
    x, gradient = drawn(seed, (2, 3, height, width), (2, 3, side, side))
    y, dx = np.zeros(gradient.shape), np.zeros(x.shape)
    for i, j in itertools.product(range(side), repeat=2):
        rows = slice(math.floor(i * height / side), math.ceil((i + 1) * height / side))
        columns = slice(math.floor(j * width / side), math.ceil((j + 1) * width / side))
        window = x[:, :, rows, columns].astype(np.float64)
        y[:, :, i, j] = window.mean(axis=(2, 3))
        dx[:, :, rows, columns] += gradient[:, :, i, j, None, None].astype(np.float64) / window[0, 0].size
    np.testing.assert_allclose(pooling.average(x, side), y, rtol=2 * UNIT, atol=1e-12)
    np.testing.assert_allclose(pooling.average_gradient(gradient, x), dx, rtol=2 * UNIT, atol=1e-12)


def slopes(function, x, step=1e-6):
    """Central differences of a function of one float64 array."""
    result = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        result[place] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return result


def test_cross_entropy_and_its_slopes():
    (logits,) = drawn(0, (6, 10))
    logits[0] *= 60  # exponentials of which float32 has none
    labels = np.random.RandomState(1).randint(0, 10, 6)

    def value(z):
        return np.mean([math.log(sum(math.exp(a - max(row)) for a in row)) + max(row) - row[label]
                        for row, label in zip(z, labels, strict=True)])  # fmt: skip

    term = losses.cross_entropy(logits, labels)
    assert term.value.dtype == term.gradient.dtype == np.float32
    assert term.value == pytest.approx(value(logits.astype(np.float64)), rel=1e-7)
    np.testing.assert_allclose(term.gradient, slopes(value, logits.astype(np.float64)), atol=1e-8, rtol=1e-5)


def test_penalty_and_its_slopes():
    (hash_logits,) = drawn(2, (5, 7))

    def value(h):
        return np.mean(np.abs(np.abs(h) - 1) ** 3)

    term = losses.penalty(hash_logits)
    assert term.value == pytest.approx(value(hash_logits.astype(np.float64)), rel=1e-7)
    np.testing.assert_allclose(term.gradient, slopes(value, hash_logits.astype(np.float64)), atol=1e-9, rtol=1e-5)
    assert not losses.penalty(np.zeros((2, 3), np.float32)).gradient.any()


def test_the_update_rounds_every_operation_to_float32():
    """A fused multiply and add would round once where NumPy rounds twice."""
    p, g, v = drawn(3, *[(300, 1001)] * 3)
    lr, mu, decay = map(np.float32, (5e-3, 0.9, 5e-4))
    velocity = mu * v + (decay * p + g)
    parameter = p - lr * velocity
    momentum.update(p, g, v, 5e-3, 0.9, 5e-4)
    assert velocity.dtype == np.float32
    assert np.array_equal(v, velocity)
    assert np.array_equal(p, parameter)


@pytest.mark.parametrize("spoilt", [lambda a: a.T, lambda a: a.astype(np.float64), lambda a: a[:2]])
def test_an_array_that_cannot_be_updated_in_place_is_refused(spoilt):
    arrays = drawn(4, *[(3, 3)] * 3)
    for place in range(3):
        with pytest.raises(ValueError, match="C-contiguous float32 arrays of one shape"):
            momentum.update(*(spoilt(a) if i == place else a for i, a in enumerate(arrays)), 0.1, 0.9, 0.0)


@pytest.mark.parametrize("read_only", [0, 2])
def test_a_read_only_array_is_not_updated(read_only):
    arrays = drawn(4, *[(3, 3)] * 3)
    arrays[read_only].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        momentum.update(*arrays, 0.1, 0.9, 0.0)
    arrays[read_only].flags.writeable = True
    arrays[1].flags.writeable = False  # of the gradient nothing is written
    momentum.update(*arrays, 0.1, 0.9, 0.0)


def test_only_float32_is_taken():
    x, weight = (array.astype(np.float64) for array in drawn(5, (2, 3), (4, 3)))
    with pytest.raises(TypeError, match="expected float32, received float64"):
        Linear().forward(x, weight, None)


def test_a_transposed_matrix_is_copied():
    (matrix,) = drawn(11, (1030, 70))
    copy = products.contiguous(matrix.T)
    assert copy.flags.c_contiguous
    assert np.array_equal(copy, matrix.T)
    assert products.contiguous(matrix) is matrix


def all_bits():
    """SHA-256 of what every kernel makes of arrays that are large enough for several parts."""
    found = hashlib.sha256()
    for kernel, x_shape, weight_shape in (
        (Convolution(4, 2), (20, 3, 64, 64), (8, 3, 11, 11)),
        (Convolution(1, 2), (20, 12, 15, 15), (24, 12, 5, 5)),
        (Linear(), (16, 2304), (2051, 2304)),
    ):
        x, weight, bias = drawn(6, x_shape, weight_shape, weight_shape[0])
        y = kernel.forward(x, weight, bias)
        arrays = [y, kernel.input_gradient(y, x, weight), kernel.weight_gradient(y, x, weight), kernel.bias_gradient(y)]
        momentum.update(weight, arrays[2], weight.copy(), 0.1, 0.9, 5e-4)
        for array in [*arrays, weight]:
            found.update(np.ascontiguousarray(array))
    x, logits = drawn(7, (16, 32, 13, 13), (16, 10))
    pooled = pooling.average(x, 6)
    terms = (*losses.cross_entropy(logits, np.arange(16) % 10), *losses.penalty(logits))
    for array in (pooled, pooling.average_gradient(pooled, x), *terms):
        found.update(array)
    return found.hexdigest()


def test_bits_do_not_depend_on_threads_or_process(monkeypatch):
    found = {}
    for threads in (1, 2, 3):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        found[threads] = all_bits()
    program = "from tests.kernels.test_kernels import all_bits; print(all_bits())"
    found["process"] = helpers.run("-c", program, environment={"OMP_NUM_THREADS": 2}).stdout.strip()
    assert len(set(found.values())) == 1


def test_numpy_is_held_to_one_thread():
    products.product(*drawn(8, (2, 3), (3, 4)))
    program = (
        "import numpy, threadpoolctl; from shared.kernels.products import product;"
        "product(*[numpy.ones((2, 2), numpy.float32)] * 2);"
        "print([c.num_threads for c in threadpoolctl.ThreadpoolController().lib_controllers if 'numpy' in c.filepath])"
    )
    found = helpers.run("-c", program, environment={"OMP_NUM_THREADS": 2}).stdout.strip()
    assert found in ("[1]", "[]")


def test_a_forked_process_has_threads_of_its_own():
    program = (
        "import os, signal, threading; from shared.kernels.products import do_all;"
        "both = threading.Barrier(2); do_all(lambda _: both.wait(), [0, 1]); found = []; child = os.fork();"
        "child or (signal.alarm(60), do_all(found.append, [0, 1]), print(sorted(found), flush=True), os._exit(0));"
        "print(os.waitpid(child, 0)[1])"
    )
    assert helpers.run("-c", program, environment={"OMP_NUM_THREADS": 2}).stdout.split("\n") == ["[0, 1]", "0", ""]


def test_numbers_beyond_float32_give_no_warning():
    program = (
        "import numpy; from shared.kernels import losses; from shared.kernels.linear import Linear;"
        "large = numpy.full((2, 3), 3e38, numpy.float32); y = Linear().forward(large, large, None);"
        "print(y[0, 0], losses.penalty(large).value, losses.cross_entropy(y, numpy.zeros(2, int)).value)"
    )
    done = helpers.run("-c", program)
    assert done.stdout.split() == ["inf", "inf", "nan"]
    assert not done.stderr
