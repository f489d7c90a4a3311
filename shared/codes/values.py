"""Whether numbers are codes, and if not, what they are most likely and how codes are made of them."""

from dataclasses import dataclass

import numpy as np

from shared.codes.forms import bits_in, repacked
from shared.config.limits import MAX_BITS
from shared.readers.mapped import blocks
from shared.system.errors import UserError

_BYTE = 255


def check_signs(codes: np.ndarray, zeros: str, name: str) -> None:
    """Raise UserError unless ``codes`` (N, bits) are -1 and +1 or 0 and 1; ``zeros`` as for ``packed_codes``."""
    num_zero = num_negative = 0
    for block in blocks(codes):
        strange = block[~((block == 0) | (np.abs(block) == 1))]
        if strange.size:
            received = f"received {strange.flat[0]!s} and perhaps others in {codes.dtype} {codes.shape}"
            raise UserError(f"{name} codes: expected -1 and +1, or 0 and 1, {received}; {_advice(codes)}")
        num_zero += int((block == 0).sum())
        num_negative += int((block < 0).sum())
    if num_zero and num_negative and zeros == "refuse":
        raise UserError(
            f"{name} codes: {num_zero} zeros among -1 and +1, which have no sign; --zeros negative takes them for -1"
        )


@dataclass
class _Values:
    """What is known of all numbers of an array; ``low`` and ``high`` are those of the finite ones."""

    num_infinite: int = 0
    low: float = np.inf
    high: float = -np.inf
    is_whole: bool = True
    only_extremes: bool = True  # 0, 1 and 255 alone

    def add(self, block: np.ndarray) -> None:
        finite = block[np.isfinite(block)]
        self.num_infinite += block.size - finite.size
        if finite.size:
            self.low, self.high = min(self.low, finite.min()), max(self.high, finite.max())
        self.is_whole &= bool((finite == np.floor(finite)).all())
        self.only_extremes &= bool(np.isin(finite, (0, 1, _BYTE)).all())


def _advice(codes: np.ndarray) -> str:
    values = _Values()
    for block in blocks(codes):
        values.add(block if codes.dtype.kind != "f" else block.astype(np.float64))
    if values.num_infinite:
        return f"{values.num_infinite} values are not finite (nan or inf): mend the features that codes are made of"
    if codes.dtype == np.uint8:
        return _of_octets(codes.shape[1], values)
    if codes.dtype.kind in "iu":
        return _of_integers(codes, values)
    return _of_reals(codes.shape[1], values)


def _of_reals(columns: int, values: _Values) -> str:
    if values.low < 0 < values.high:
        return "these look like features, real numbers: a code is their sign, codes > 0"
    if values.low >= 0 and values.high <= 1:
        return "these look like probabilities: a code is codes > 0.5"
    if values.is_whole and values.low >= 0 and values.high <= _BYTE and 8 * columns - 7 <= MAX_BITS:
        return f"if these are packed bytes, pass codes.astype(np.uint8) and {bits_in(columns)}"
    return "all have one sign, so their signs are no codes: pass what the model makes of them, 0 and 1"


def _of_octets(columns: int, values: _Values) -> str:
    if 8 * columns - 7 > MAX_BITS:
        return f"codes have up to {MAX_BITS} bits, so these are no packed bytes either"
    packed = f"packed bytes of np.packbits or faiss: give {bits_in(columns)}"
    if not values.only_extremes:
        return f"these look like {packed}"
    return f"255 is what -1 becomes in uint8, and white in a picture: pass -1 and +1 or 0 and 1; or {packed}"


def _of_integers(codes: np.ndarray, values: _Values) -> str:
    advice = []
    if 8 * codes.shape[1] * codes.itemsize <= MAX_BITS:
        advice.append(repacked(codes))
    if values.low < 0:
        advice.append("if they are features, a code is their sign, codes > 0")
    return "; ".join(advice) or f"codes have up to {MAX_BITS} bits, so these are no packed codes either"
