"""Paddle's own switches for its kernels: set, read back, and refused where one that is asked for is not there.

NVIDIA_TF32_OVERRIDE, which NVIDIA's libraries read, is set before any import (shared/config/arithmetic.py).
"""

import os

import paddle  # by way of the runtime, which imports it first and as it must be

from shared.config.arithmetic import Arithmetic
from shared.system.errors import UserError

_TF32 = ("FLAGS_cudnn_allow_tf32", "FLAGS_cublas_allow_tf32")
_DETERMINISTIC = "FLAGS_cudnn_deterministic"
# kernels that sum as PyTorch's do, since Paddle 3.3; a user's variable asks for them
_COMPATIBLE = "FLAGS_use_accuracy_compatible_kernel"
_NO = ("", "0", "false", "no", "off")


def configure() -> None:
    """Set the flags that this build has."""
    paddle.set_flags({name: value for name, value in _wanted().items() if _read(name) is not None})


def in_force() -> dict[str, bool]:
    """The flags that this build has, as they are read back."""
    return {name: value for name in _wanted() if (value := _read(name)) is not None}


def check(device: str) -> None:
    """UserError where a flag is asked for that this build lacks, or that is read back otherwise than it was set.

    On a CPU results are the same again without cuDNN's flag. Without those for TF32 NVIDIA_TF32_OVERRIDE decides alone.
    """
    wanted, present = _wanted(), in_force()
    for name in (_DETERMINISTIC, _COMPATIBLE) if device == "cuda" else (_COMPATIBLE,):
        if wanted[name] and name not in present:
            mend = "leave --deterministic out" if Arithmetic.of_process().deterministic else f"unset {name}"
            raise UserError(
                f"{name}: expected a PaddlePaddle that has this flag, received {paddle.__version__}, which has none; "
                f"{mend}, or install another version (docs/gpu.md)"
            )
    for name, value in present.items():
        if value != wanted[name]:
            raise UserError(
                f"{name}: expected {wanted[name]}, as it was set, but PaddlePaddle has {value}; unset {name}"
            )


def _wanted() -> dict[str, bool]:
    arithmetic = Arithmetic.of_process()
    return dict.fromkeys(_TF32, arithmetic.tf32) | {
        _DETERMINISTIC: arithmetic.deterministic or _is_named(_DETERMINISTIC),
        _COMPATIBLE: _is_named(_COMPATIBLE),
    }


def _is_named(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() not in _NO


def _read(name: str) -> bool | None:
    try:
        return bool(paddle.get_flags(name)[name])
    except ValueError:  # what this build does not have
        return None
