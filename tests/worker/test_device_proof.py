"""A worker whose GPU does not compute, or computes wrongly, ends before it works, and says why."""

import json

import numpy as np
import pytest

from shared.config.arithmetic import PRECISIONS, Arithmetic
from shared.system.errors import UserError
from shared.worker.device_proof import INPUTS, RESULTS, check_device, device_problem, difference, tolerance
from tests import helpers


def products(arrays):
    """What ``Device.products`` is to give, in NumPy and the arrays' own precision."""
    pixels, weights, ahead = arrays["pixels"], arrays["weights"], arrays["at convolution"]
    padded = np.pad(pixels, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    ahead_padded = np.pad(ahead, ((0, 0), (0, 0), (1, 1), (1, 1)))
    ahead_windows = np.lib.stride_tricks.sliding_window_view(ahead_padded, (3, 3), axis=(2, 3))
    return {
        "convolution": np.einsum("ncyxij,ocij->noyx", windows, weights),
        "pixels": np.einsum("noyxij,ocij->ncyx", ahead_windows, weights[:, :, ::-1, ::-1]),
        "weights": np.einsum("ncyxij,noyx->ocij", windows, ahead),
        "product": arrays["left"] @ arrays["right"],
        "left": arrays["at product"] @ arrays["right"].T,
        "right": arrays["left"].T @ arrays["at product"],
    }


def rounded(array, bits):
    """``array`` with so many bits of mantissa, rounded to nearest."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.rint(mantissa * 2 ** (bits + 1)) / 2 ** (bits + 1), exponent)


class Fake:
    """A GPU in NumPy: ``spoil`` changes what it was given, ``change`` what it gives."""

    def __init__(self, spoil=lambda a: a, change=lambda found: found, place="cuda"):
        self.spoil, self.change, self.place, self.asked = spoil, change, place, []

    def products(self, arrays, device):
        self.asked.append(device)
        if device == "cpu":
            return products(arrays), "cpu"
        found = products({name: self.spoil(array) for name, array in arrays.items()})
        return self.change({name: array.astype(float) for name, array in found.items()}), self.place


@pytest.fixture(params=PRECISIONS)
def precision(request, monkeypatch):
    monkeypatch.setattr(Arithmetic, "of_process", classmethod(lambda cls: cls(request.param)))
    return request.param


def test_a_cpu_is_not_asked(precision):
    device = Fake()
    assert device_problem(device, "cpu") == ""
    assert device.asked == []


def test_factors_rounded_to_the_precision_pass_and_coarser_ones_do_not(precision):
    bits = {"fp32": 23, "tf32": 10, "bf16": 7}[precision]
    coarse = {"fp32": 10, "tf32": 4, "bf16": 1}[precision]  # TF32 by mistake is seen
    assert device_problem(Fake(lambda a: rounded(a, bits).astype(np.float32)), "cuda") == ""
    assert f" in {precision}" in device_problem(Fake(lambda a: rounded(a, coarse).astype(np.float32)), "cuda")
    assert tolerance("fp32") < tolerance("tf32") < tolerance("bf16")


@pytest.mark.parametrize("key", RESULTS)
def test_every_result_is_compared(precision, key):
    def zero(found):
        return found | {key: np.zeros_like(found[key])}

    def one_nan(found):
        spoilt = found[key].copy()
        spoilt.flat[-1] = np.nan
        return found | {key: spoilt}

    for change in (zero, one_nan, lambda found: found | {key: found[key].T}):
        reason = device_problem(Fake(change=change), "cuda")
        assert reason.startswith(RESULTS[key])
    assert device_problem(Fake(), "cuda") == ""


def test_what_the_cpu_computed_instead_is_no_proof(precision):
    with pytest.raises(UserError, match="X cannot use the GPU: it computes on the CPU instead, without an error; use"):
        check_device("X", Fake(place="cpu"), "cuda")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("CUDA error: no kernel image\nCUDA kernel errors might be"), "CUDA error: no kernel image"),
        (OSError("\n---\nError Message Summary:\n---\nExternalError: CUDA error(209)\n  [Hint: x]"), "CUDA error(209)"),
        (MemoryError(), "MemoryError"),
        (ValueError("\x1b[31mred"), "\\x1b[31mred"),
    ],
)
def test_whatever_a_framework_raises_is_told_in_a_line(error, said):
    def fail(found):
        raise error

    reason = device_problem(Fake(change=fail), "cuda")
    assert said in reason
    assert len(reason.splitlines()) == 1


def test_both_frameworks_compute_what_is_asked(framework, tmp_path):
    generator = np.random.RandomState(3)
    arrays = {name: generator.uniform(-1, 1, shape) for name, shape in INPUTS.items()}
    np.savez(tmp_path / "in.npz", **arrays)
    helpers.child(framework, "device_products", framework, tmp_path)
    wanted, scales = products(arrays), products({name: np.abs(array) for name, array in arrays.items()})
    for precision in ("fp32", "bf16"):
        with np.load(tmp_path / f"{precision}-float64.npz") as file:  # stays it where float32 becomes bfloat16
            assert all(np.abs(file[name] - wanted[name]).max() < 1e-12 for name in RESULTS)
        with np.load(tmp_path / f"{precision}-float32.npz") as file:
            found = dict(file)
        assert found.pop("place") == "cpu"
        assert difference(found, wanted, scales, precision) == ""
        is_coarse = precision == "bf16" and framework == "torch"  # Paddle has no bfloat16 on a CPU
        assert bool(difference(found, wanted, scales, "fp32")) == is_coarse


REMEDY = "use --device cpu, or install wheels that have code for this card (docs/gpu.md)"
FALLS_BACK = "it computes on the CPU instead, without an error"
NO_KERNEL = "a convolution or a matrix product on it fails: CUDA error: no kernel image is available"


@pytest.mark.parametrize(("how", "reason"), [("falls-back", FALLS_BACK), ("no-kernel", NO_KERNEL)])
def test_a_worker_on_such_a_gpu_is_refused(framework, how, reason, tmp_path):
    verb = ("probe", tmp_path / "none", "--out", tmp_path / "out")
    done = helpers.child(framework, "strange_device", framework, how, *verb, status=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: P")
    assert f" cannot use the GPU: {reason}" in line
    assert line.endswith(REMEDY)


@pytest.mark.parametrize(
    ("how", "reason"),
    [("wrong", "a convolution's gradient by its weights is off by "), ("right", ""), ("driver", "built for CUDA")],
)
def test_info_tells_whether_it_computes(framework, how, reason):
    done = helpers.child(framework, "strange_device", framework, how, "info")
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["gpu"] == (how == "right")
    assert facts["gpu_found"] == (how != "driver")
    assert facts["gpus"] == (1 if how == "right" else 0)
    assert facts["environment"]["device"] == ("cuda" if how == "right" else "cpu")
    card = {"name": "a card", "capability": "8.6", "bytes": 8 * 2**30}
    assert facts["cards"] == ([] if how == "driver" else [card])
    assert reason in facts["gpu_problem"]
    assert bool(facts["gpu_problem"]) == bool(reason)
