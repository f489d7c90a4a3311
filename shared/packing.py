"""Codes of any accepted form -> packed words: uint64 (N, ceil(bits/64)), bit 0 lowest."""

import mmap
from collections.abc import Iterator

import numpy as np

from shared.errors import UserError

MAX_BITS = 4096
ZEROS = ("refuse", "negative")
_ROWS_AT_ONCE = 2**16


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


def blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Views of the rows, some at a time; of a memory-mapped array no more than that need be resident."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]
        _let_go(rows)


def packed_codes(codes: np.ndarray, bits: int | None, zeros: str, name: str) -> tuple[np.ndarray, int]:
    """The words of codes in any accepted form, uint64 (N, ceil(bits/64)), and their number of bits.

    ``codes`` is (N, bits) of bool, of 0 and 1, or of -1 and +1 in any numeric type; or uint64, which is taken as words
    from ``pack_codes`` and returned as it is, memory-mapped if it was (``bits`` None: all 64 of every word count).
    Among -1 and +1 an exact 0 has no sign: ``zeros`` "refuse" raises, "negative" takes it for -1.
    Raises UserError, which begins with ``name``, for anything else.
    """
    if zeros not in ZEROS:
        raise UserError(f"zeros: expected one of {', '.join(ZEROS)}, received {zeros!r}")
    if codes.ndim != 2 or 0 in codes.shape:
        raise UserError(f"{name} codes: expected a non-empty array (N, bits), received shape {codes.shape}")
    if codes.dtype == np.uint64:
        return _checked_words(codes, bits, name)
    if bits not in (None, codes.shape[1]):
        raise UserError(f"{name} codes: expected {bits} bits, received shape {codes.shape}")
    _check_bits(codes.shape[1], name)
    if codes.dtype.kind not in "biuf":
        raise UserError(f"{name} codes: expected numbers or bool, received {codes.dtype}")
    if codes.dtype == bool:
        return np.concatenate([pack_codes(block) for block in blocks(codes)]), codes.shape[1]
    _check_values(codes, zeros, name)
    return np.concatenate([pack_codes(block > 0) for block in blocks(codes)]), codes.shape[1]


def _checked_words(words: np.ndarray, bits: int | None, name: str) -> tuple[np.ndarray, int]:
    bits = 64 * words.shape[1] if bits is None else bits
    _check_bits(bits, name)
    if words.shape[1] != -(-bits // 64):
        raise UserError(
            f"{name} codes: expected {-(-bits // 64)} uint64 words for {bits} bits, received shape {words.shape}; "
            "uint64 is read as packed words: pass codes of 0 and 1 in another type"
        )
    if bits % 64 and any((block[:, -1] >> np.uint64(bits % 64)).any() for block in blocks(words)):
        raise UserError(f"{name} codes: expected 0 in every bit from {bits} on, received words with some set")
    return words, bits


def _check_bits(bits: int, name: str) -> None:
    if not 1 <= bits <= MAX_BITS:
        raise UserError(f"{name} codes: expected 1 to {MAX_BITS} bits, received {bits}")


def _check_values(codes: np.ndarray, zeros: str, name: str) -> None:
    num_zero = num_negative = 0
    for block in blocks(codes):
        strange = block[~((block == 0) | (np.abs(block) == 1))]
        if strange.size:
            raise UserError(
                f"{name} codes: expected -1 and +1, or 0 and 1, received {strange.flat[0]!s} and perhaps others; "
                "make codes of real numbers first (codes > 0)"
            )
        num_zero += int((block == 0).sum())
        num_negative += int((block < 0).sum())
    if num_zero and num_negative and zeros == "refuse":
        raise UserError(
            f'{name} codes: {num_zero} zeros among -1 and +1, which have no sign; zeros="negative" takes them for -1'
        )


def _let_go(rows: np.ndarray) -> None:
    """Of a file that is mapped for reading, what was read no longer counts as this process's memory."""
    if isinstance(rows, np.memmap) and rows.mode == "r":
        mapping = rows.base
        while isinstance(mapping, np.ndarray):
            mapping = mapping.base
        mapping.madvise(mmap.MADV_DONTNEED)
