"""Codes of any accepted form -> packed words: uint64 (N, ceil(bits/64)), bit 0 lowest."""

from collections.abc import Mapping

import numpy as np

from shared.codes.forms import Form, Kind, forms_of
from shared.codes.values import check_signs
from shared.readers.mapped import blocks
from shared.system.errors import UserError

ZEROS = ("refuse", "negative")


def pack_codes(codes: np.ndarray) -> np.ndarray:
    """Pack bool (N, bits) into uint64 (N, ceil(bits/64)), bit 0 lowest."""
    packed = np.packbits(np.asarray(codes, bool), axis=1, bitorder="little")
    padded = np.zeros((len(packed), -(-codes.shape[1] // 64) * 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u8").astype(np.uint64)


def unpack_codes(words: np.ndarray, bits: int) -> np.ndarray:
    """The inverse of ``pack_codes``: bool (N, bits)."""
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=bits, bitorder="little").astype(bool)


def code_hex(words: np.ndarray, bits: int) -> str:
    """One packed code, uint64 (ceil(bits/64),), in hexadecimal digits: the number whose lowest bit is bit 0.

    >>> code_hex(pack_codes(np.array([[1, 0, 1, 1, 0]]))[0], 5)
    '0d'
    """
    return f"{int.from_bytes(words.astype('<u8').tobytes(), 'little'):0{-(-bits // 4)}x}"


def packed_codes(codes: np.ndarray, bits: int | None, zeros: str, name: str) -> tuple[np.ndarray, int]:
    """The words of codes in any accepted form, uint64 (N, ceil(bits/64)), and their number of bits.

    ``codes`` is (N, bits) of bool, of 0 and 1, or of -1 and +1 in any numeric type; or uint8 (N, ceil(bits/8)), which
    is taken as packed bytes if ``bits`` says so; or uint64 words from ``pack_codes``, which are returned as they are,
    memory-mapped if they were (``bits`` None: all 64 of every word count). Among -1 and +1 an exact 0 has no sign:
    ``zeros`` "refuse" raises, "negative" takes it for -1. Raises UserError, which begins with ``name``, for anything
    else.
    """
    return packed_together({name: codes}, bits, zeros)[name]


def packed_together(sides: Mapping[str, np.ndarray], bits: int | None, zeros: str) -> dict[str, tuple[np.ndarray, int]]:
    """As ``packed_codes``, for codes that will be compared: by its name, each side's words and number of bits.

    The values of one side may decide what those of the other leave open: whether they are words, or where padding is.
    """
    if zeros not in ZEROS:
        raise UserError(f"zeros: expected one of {', '.join(ZEROS)}, received {zeros!r}")
    forms = forms_of(sides, bits)
    return {name: (_words(codes, forms[name], zeros, name), forms[name].bits) for name, codes in sides.items()}


def _words(codes: np.ndarray, form: Form, zeros: str, name: str) -> np.ndarray:
    if form.kind is Kind.WORDS:
        return codes if codes.dtype.isnative else codes.astype(np.uint64)
    if form.kind is Kind.BYTES:
        options = {"axis": 1, "count": form.bits, "bitorder": form.bit_order}
        return np.concatenate([pack_codes(np.unpackbits(block, **options)) for block in blocks(codes)])
    if codes.dtype != bool:
        check_signs(codes, zeros, name)
    return np.concatenate([pack_codes(block > 0) for block in blocks(codes)])
