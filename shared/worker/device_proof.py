"""Proof that a GPU computes: a convolution, a matrix product and their gradients on it, beside the CPU's in float64."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from shared.config.arithmetic import Arithmetic
from shared.system.errors import UserError, printable
from shared.worker.contract import Arrays, Device

# what is multiplied, and the gradients that go back through the results
INPUTS = {
    "pixels": (4, 16, 6, 6),
    "weights": (16, 16, 3, 3),
    "left": (32, 144),
    "right": (144, 40),
    "at convolution": (4, 16, 6, 6),
    "at product": (32, 40),
}
# what ``Device.products`` gives, in words
RESULTS = {
    "convolution": "a convolution",
    "pixels": "a convolution's gradient by its input",
    "weights": "a convolution's gradient by its weights",
    "product": "a matrix product",
    "left": "a matrix product's gradient by its first factor",
    "right": "a matrix product's gradient by its second factor",
}
# the longest of all their sums: 16 channels of 3 x 3, 4 images of 6 x 6, and the shared side of the two factors
_TERMS = 144
_FLOAT32 = 2.0**-24
# the largest relative error of a factor; TF32's may be cut off instead of rounded
_ROUNDING = {"fp32": _FLOAT32, "tf32": 2.0**-10, "bf16": 2.0**-8}
_SHOWN = 300
T = TypeVar("T")


def tolerance(precision: str) -> float:
    """The largest error of a sum of products, as a share of the sum of the products' sizes.

    Both factors, the result and a sum of parts are rounded to the precision, and each addition to float32. In fp32 that
    is 9e-6, which products in TF32, whose errors are ten times as large, do not keep to.
    """
    return 4 * _ROUNDING[precision] + _TERMS * _FLOAT32


def check_device(title: str, device: Device, name: str) -> None:
    """UserError, with the reason, where the framework called ``title`` does not compute on the GPU; a CPU need not."""
    if reason := device_problem(device, name):
        raise UserError(f"{title} cannot use the GPU: {reason}; {REMEDY}")


REMEDY = "use --device cpu, or install wheels that have code for this card (docs/gpu.md)"


def device_problem(device: Device, name: str) -> str:
    """What is wrong with what the device called ``name``, "cuda" or "cpu", computes in this process's precision.

    "" where nothing is: always on a CPU, on which nothing is computed for it.
    """
    if name == "cpu":
        return ""
    generator = np.random.RandomState(0)
    # values that float32 holds
    arrays = {key: generator.randint(-(2**20), 2**20, shape) / 2**20 for key, shape in INPUTS.items()}
    sizes = {key: np.abs(array) for key, array in arrays.items()}
    single = {key: array.astype(np.float32) for key, array in arrays.items()}
    answer, failure = attempt(lambda: device.products(single, name))
    if failure:
        return f"a convolution or a matrix product on it fails: {failure}"
    received, place = answer
    if place != name:
        return "it computes on the CPU instead, without an error"
    expected, scales = (device.products(inputs, "cpu")[0] for inputs in (arrays, sizes))
    return difference(received, expected, scales, Arithmetic.of_process().precision)


def difference(received: Arrays, expected: Arrays, scales: Arrays, precision: str) -> str:
    """Which result is farther from the expected one than ``precision`` allows, and how far; "" for none.

    ``scales`` are the sums of the products' sizes.
    """
    limit = tolerance(precision)
    for key, words in RESULTS.items():
        if received[key].shape != expected[key].shape:
            return f"{words} has the shape {received[key].shape}, expected {expected[key].shape}"
        error = np.abs(received[key] - expected[key]).max() / scales[key].max()
        if not error <= limit:  # nor for NaN
            return f"{words} is off by {error:.1e} of its size, expected at most {limit:.1e} in {precision}"
    return ""


def attempt(work: Callable[[], T]) -> tuple[T | None, str]:
    """What ``work`` returns, or None and what it says when it fails."""
    try:
        return work(), ""
    except Exception as error:  # of whatever kind a framework raises for what a card cannot do
        return None, printable(_line_of(error), _SHOWN)


def _line_of(error: Exception) -> str:
    """The line of a message that says what happened: PaddlePaddle's begin with a traceback of their own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "rror" in line and not line.startswith(("-", "Error Message"))]
    return (told or lines or [type(error).__name__])[0]
