"""Numbers of 16, 32 and 64 bits as float32, where that changes no value."""

import numpy as np

from shared.system.errors import UserError, printable

# NumPy has no bfloat16: a field of this name holds its bits, the upper half of a float32's
BFLOAT16 = np.dtype([("bfloat16", "<u2")])
_NARROW = ("float16", "bfloat16")
# how people save weights of other types as such
WIDENED = "widen them before saving: {name: tensor.float() for name, tensor in state.items()}"
UNQUANTIZED = "of quantized weights save those from before, or tensor.dequantize() of each, as float32"


class FloatError(UserError):
    """Numbers that cannot be taken as float32."""


def type_name(array: np.ndarray) -> str:
    """ "float32", "bfloat16" and the like."""
    return "bfloat16" if array.dtype == BFLOAT16 else array.dtype.name


def as_float32(name: str, array: np.ndarray, where: str) -> np.ndarray:
    """``array`` as finite float32: 16 bits are widened exactly, 64 taken where float32 holds the very values.

    Raises FloatError, naming the array, for other types, values that float32 does not hold, NaN and infinity.
    """
    kind, shown = type_name(array), f"{where}: {printable(name, 100)}"
    if kind == "bfloat16":
        converted = (array["bfloat16"].astype("<u4") << 16).view("<f4")
    elif kind in ("float16", "float32", "float64"):
        with np.errstate(over="ignore"):
            converted = array.astype(np.float32, copy=False)
    else:
        mend = f"; {UNQUANTIZED}" if array.dtype.kind in "iu" else ""
        raise FloatError(f"{shown}: expected float32, float16, bfloat16 or float64, received {kind}{mend}")
    if not np.isfinite(converted).all():
        raise FloatError(f"{shown}: expected finite values of float32, received NaN or infinity or too large ones")
    if kind == "float64" and not np.array_equal(converted, array):
        raise FloatError(
            f"{shown}: expected float32, received float64 with values that float32 does not hold; round them "
            "yourself before saving: {name: tensor.float() for name, tensor in state.items()}"
        )
    return converted


def describe_types(kinds: set[str]) -> str:
    """What is said of arrays that were of these types; "" where all were float32."""
    parts = [f"{kind} widened to float32" for kind in sorted(kinds) if kind in _NARROW]
    return ", ".join(parts + ["float64 taken as float32, which holds the same values"] * ("float64" in kinds))
