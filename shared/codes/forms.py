"""How codes are stored: a number for every bit, packed words, or packed bytes."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from shared.config.limits import MAX_BITS
from shared.readers.mapped import blocks
from shared.system.errors import UserError, printable


class Kind(Enum):
    """What one number of an array of codes holds."""

    NUMBERS = auto()  # one bit
    WORDS = auto()  # 64 of them, uint64
    BYTES = auto()  # 8 of them, uint8


class Form(NamedTuple):
    """How an array holds its codes; ``bit_order`` is that of ``np.packbits``, of bytes alone."""

    kind: Kind
    bits: int
    bit_order: str = ""


def forms_of(sides: Mapping[str, np.ndarray], bits: int | None) -> dict[str, Form]:
    """The form of each of one or two arrays of codes that will be compared, from their shapes, types and ``bits``.

    Values are read only as far as words and bytes need it: whether numbers are -1 and +1 is not checked here. Raises
    UserError, which begins with the side's name, for what is no array of codes, and for what can be read in two ways.
    """
    if bits is not None:
        _check_bits(bits, "codes")
    for name, codes in sides.items():
        _check_array(codes, name)
    kinds = {name: _kind(codes, bits, sides, name) for name, codes in sides.items()}
    if Kind.BYTES in kinds.values():
        return _of_bytes(sides, kinds, bits)
    forms = {name: Form(kind, _num_bits(sides[name], kind, bits)) for name, kind in kinds.items()}
    for name, form in forms.items():
        _check_bits(form.bits, f"{name} codes")
        if form.kind is Kind.WORDS and form.bits % 64:
            _check_last_word(sides[name], form.bits, name)
    return forms


def _check_array(codes: np.ndarray, name: str) -> None:
    if codes.ndim != 2 or 0 in codes.shape:
        raise UserError(f"{name} codes: expected a non-empty array (N, bits), received shape {codes.shape}")
    if codes.dtype.kind not in "biuf":
        raise UserError(f"{name} codes: expected numbers or bool, received {printable(codes.dtype, 80)}")


def _check_bits(bits: int, name: str) -> None:
    if not 1 <= bits <= MAX_BITS:
        raise UserError(f"{name}: expected 1 to {MAX_BITS} bits, received {printable(bits)}")


def _kind(codes: np.ndarray, bits: int | None, sides: Mapping[str, np.ndarray], name: str) -> Kind:
    columns = codes.shape[1]
    packed = {8: Kind.WORDS, 1: Kind.BYTES}.get(codes.itemsize) if codes.dtype.kind == "u" else None
    if bits is not None:
        if packed and columns == -(-bits // (8 * codes.itemsize)):
            # a single bit is the same in either reading
            return packed if bits > 1 else Kind.NUMBERS
        if columns == bits:
            return Kind.NUMBERS
        raise UserError(f"{name} codes: {_other_shape(codes, bits, packed is not None)}")
    if packed is not Kind.WORDS:
        return Kind.NUMBERS  # bytes without their number of bits are found, and refused, by their values
    if any(_is_above_one(other) for other in sides.values() if (other.dtype, other.shape[1]) == (codes.dtype, columns)):
        return Kind.WORDS
    if columns > 1:
        return Kind.NUMBERS
    raise UserError(
        f"{name} codes: uint64 {codes.shape} of 0 and 1 alone may be one bit each or words of 64: give --bits 1, "
        "or the number of bits in a word"
    )


def _other_shape(codes: np.ndarray, bits: int, is_packed: bool) -> str:
    """The message for codes that do not have so many ``bits``, as numbers or packed."""
    packed = f" or packed (N, {-(-bits // (8 * codes.itemsize))})" if is_packed else ""
    may_be_packed = codes.dtype.kind in "iu" and codes.shape[1] < bits and (not is_packed or _are_widened(codes))
    advice = f"; {repacked(codes)}" if may_be_packed else ""
    return f"expected {bits} bits, (N, {bits}){packed}, received {codes.dtype} {codes.shape}{advice}"


def repacked(codes: np.ndarray) -> str:
    """How packed codes of an integer type that is not read as such become packed bytes.

    >>> repacked(np.zeros((9, 6), np.int8)), repacked(np.full((9, 2), 256, np.uint32))
    ('if they are packed, pass codes.view(np.uint8) and --bits N, 41 to 48 here', \
'if they are packed, pass np.ascontiguousarray(codes).view(np.uint8) and --bits 64')
    >>> repacked(np.zeros((9, 6), np.int64))
    'if they are packed bytes, pass codes.astype(np.uint8) and --bits N, 41 to 48 here'
    """
    if _are_widened(codes):
        return f"if they are packed bytes, pass codes.astype(np.uint8) and {bits_in(codes.shape[1])}"
    octets = codes.shape[1] * codes.itemsize
    if codes.itemsize == 1:
        return f"if they are packed, pass codes.view(np.uint8) and {bits_in(octets)}"
    return f"if they are packed, pass np.ascontiguousarray(codes).view(np.uint8) and --bits {8 * octets}"


def _are_widened(codes: np.ndarray) -> bool:
    """Whether every number of a wider type is a byte's."""
    return codes.itemsize > 1 and all(((block >= 0) & (block < 256)).all() for block in blocks(codes))


def bits_in(octets: int) -> str:
    """The option that so many packed bytes call for.

    >>> bits_in(6)
    '--bits N, 41 to 48 here'
    """
    return f"--bits N, {8 * octets - 7} to {8 * octets} here"


def _is_above_one(codes: np.ndarray) -> bool:
    return any((block > 1).any() for block in blocks(codes))


def _num_bits(codes: np.ndarray, kind: Kind, bits: int | None) -> int:
    return bits or codes.shape[1] * (64 if kind is Kind.WORDS else 1)


def _check_last_word(words: np.ndarray, bits: int, name: str) -> None:
    if any((block[:, -1] >> np.uint64(bits % 64)).any() for block in blocks(words)):
        raise UserError(f"{name} codes: expected 0 in every bit from {bits} on, received words with some set")


def _of_bytes(sides: Mapping[str, np.ndarray], kinds: Mapping[str, Kind], bits: int) -> dict[str, Form]:
    """Which end of the last byte is padding says the order of the bits, as far as distances depend on it."""
    for name, kind in kinds.items():
        if kind is not Kind.BYTES:
            raise UserError(
                f"{name} codes: expected packed bytes as on the other side, whose order of bits is not known, received "
                f"{sides[name].dtype} {sides[name].shape}; unpack the bytes as they were packed: "
                f"np.unpackbits(codes, axis=1, count={bits}), with bitorder='little' where that is theirs"
            )
    columns = next(iter(sides.values())).shape[1]
    if columns > 1 and not any(_is_above_one(codes) for codes in sides.values()):
        raise UserError(
            f"codes: expected packed bytes for --bits {bits}, received {columns} columns of 0 and 1 alone, which look "
            f"like codes of {columns} bits"
        )
    used = np.bitwise_or.reduce([np.bitwise_or.reduce(block[:, -1]) for s in sides.values() for block in blocks(s)])
    padding = (1 << -bits % 8) - 1  # lowest bits of the last byte, as np.packbits leaves them
    if not used & padding:
        order = "big"
    elif not used & (padding << 8 - (-bits % 8)):
        order = "little"
    else:
        raise UserError(
            f"codes: expected {bits} bits, so {-bits % 8} bits of padding, 0 at one end of every last byte, received "
            "some that are set at either end; packed codes of these bytes have more bits, or they are no such codes"
        )
    return {name: Form(Kind.BYTES, bits, order) for name in sides}
