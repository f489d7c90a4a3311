"""Every form that codes are stored in: read as what they are, or refused with what makes codes of them."""

import numpy as np
import pytest

from shared.codes.packing import pack_codes, packed_codes, packed_together
from shared.scoring.retrieval import evaluate
from shared.system.errors import UserError


def bits_of(seed, count, bits=48):
    return np.random.RandomState(seed).rand(count, bits) > 0.5


def packed(codes, order="big"):
    return np.packbits(codes, axis=1, bitorder=order)


def items_at_distances(queries, database, bits):
    """The NumPy reference: distances by comparing bits one by one."""
    distances = (queries[:, None] != database[None]).sum(axis=2)
    return [np.bincount(row, minlength=bits + 1).tolist() for row in distances]


def scored(queries, database, bits=None):
    labels = [np.arange(len(side)) % 3 for side in (queries, database)]
    return evaluate(queries, labels[0], database, labels[1], bits=bits).counts.tolist()


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("bits", [3, 8, 44, 48, 100])
def test_packed_bytes_have_the_distances_of_their_bits(bits, order):
    queries, database = bits_of(1, 6, bits), bits_of(2, 90, bits)
    counts = scored(packed(queries, order), packed(database, order), bits)
    assert counts == items_at_distances(queries, database, bits)


def test_padding_that_one_side_leaves_open_is_where_the_other_has_it():
    queries, database = bits_of(1, 2, 12), bits_of(2, 90, 12)
    queries[:, 8:] = False  # its last bytes are 0 at both ends
    for order in ("big", "little"):
        counts = scored(packed(queries, order), packed(database, order), 12)
        assert counts == items_at_distances(queries, database, 12)


def test_bytes_as_numpy_packs_them_become_the_words_of_their_bits():
    codes = bits_of(3, 9, 44)
    words, bits = packed_codes(packed(codes), 44, "refuse", "x")
    assert (words.tolist(), bits) == (pack_codes(codes).tolist(), 44)


@pytest.mark.parametrize("dtype", ["u8", ">u8", "u4", "i8", "i2", ">f4", "f2", "u1"])
def test_zeros_and_ones_of_any_type_are_a_bit_each(dtype):
    queries, database = bits_of(1, 5), bits_of(2, 60)
    expected = items_at_distances(queries, database, 48)
    for bits in (None, 48):
        assert scored(queries.astype(dtype), database.astype(dtype), bits) == expected
    assert scored(np.asfortranarray(queries.astype(dtype)), pack_codes(database), 48) == expected


def test_words_that_happen_to_be_zero_and_one_are_words_beside_others():
    database = np.random.RandomState(0).randint(0, 2**40, (30, 2)).astype(np.uint64)
    sides = packed_together({"query": np.array([[0, 1]], np.uint64), "database": database}, None, "refuse")
    assert [bits for _, bits in sides.values()] == [128, 128]


def test_words_of_another_byte_order_are_the_same_words():
    queries, database = bits_of(1, 5), bits_of(2, 60)
    swapped = [pack_codes(side).astype(">u8") for side in (queries, database)]
    assert scored(*swapped, 48) == items_at_distances(queries, database, 48)


CODES = bits_of(5, 7)
SIGNS = np.where(CODES, 1.0, -1.0)
BYTES = "--bits N, 41 to 48 here"
REFUSED = {
    "bytes without their bits": (packed(CODES), None, f"look like packed bytes of np.packbits or faiss: give {BYTES}"),
    "bytes taken for bits": (packed(CODES), 6, f"look like packed bytes of np.packbits or faiss: give {BYTES}"),
    "too few bytes": (packed(CODES), 56, r"expected 56 bits, \(N, 56\) or packed \(N, 7\), received uint8 \(7, 6\)"),
    "bits in the padding": (packed(CODES), 44, "4 bits of padding, 0 at one end of every last byte"),
    "truth of bytes": ((packed(CODES) > 0).astype(np.uint8), 48, "6 columns of 0 and 1 alone, which look like codes"),
    "signed bytes": (packed(CODES).view(np.int8), 48, rf"pass codes.view\(np.uint8\) and {BYTES}"),
    "signed bytes without bits": (packed(CODES).view(np.int8), None, rf"pass codes.view\(np.uint8\) and {BYTES}"),
    "words of 16": (packed(CODES).view(np.uint16), None, r"ascontiguousarray\(codes\).view\(np.uint8\) and --bits 48"),
    "words of 32": (packed(bits_of(1, 7, 64)).view(np.uint32), 64, r"view\(np.uint8\) and --bits 64"),
    "bytes in words of 64": (packed(CODES).astype(np.int64), 48, rf"pass codes.astype\(np.uint8\) and {BYTES}"),
    "bytes in words of 32": (packed(CODES).astype(np.uint32), None, rf"pass codes.astype\(np.uint8\) and {BYTES}"),
    "bytes in unsigned words": (packed(CODES).astype(np.uint64), 48, rf"pass codes.astype\(np.uint8\) and {BYTES}"),
    "bytes as reals": (packed(CODES).astype(float), None, rf"codes.astype\(np.uint8\) and {BYTES}"),
    "minus one in bytes": (SIGNS.astype(np.int8).view(np.uint8), None, "255 is what -1 becomes in uint8"),
    "tanh": (np.tanh(SIGNS), None, "look like features, real numbers: a code is their sign, codes > 0$"),
    "sigmoid": (1 / (1 + np.exp(SIGNS)), None, "look like probabilities: a code is codes > 0.5$"),
    "relu": (CODES * 3.5, None, "all have one sign, so their signs are no codes"),
    "no numbers": (np.where(CODES, np.nan, 1), None, f"received nan .* {CODES.sum()} values are not finite"),
    "infinite": (np.where(CODES, np.inf, 1), None, f"{CODES.sum()} values are not finite"),
    "pixels": (np.tile(packed(CODES), 400), None, "up to 4096 bits, so these are no packed bytes either"),
    "one word or one bit": (CODES[:, :1].astype(np.uint64), None, "may be one bit each or words of 64: give --bits 1"),
    "no bits": (CODES, 0, "expected 1 to 4096 bits, received 0"),
    "many bits": (CODES, 10**30, "expected 1 to 4096 bits, received a number of 100 bits"),
    "complex": (SIGNS * 1j, None, "expected numbers or bool, received complex128"),
    "records": (np.zeros((7, 48), [("a", int)]), None, "expected numbers or bool"),
    "times": (CODES.astype("M8[s]"), None, "expected numbers or bool, received datetime64"),
    "a number": (np.array(1), None, r"non-empty array \(N, bits\), received shape \(\)"),
    "signs without a sign": (np.where(np.arange(48) < 3, 0, SIGNS), None, "21 zeros among .*; --zeros negative takes"),
}


@pytest.mark.parametrize(("codes", "bits", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_code_is_refused_with_what_makes_codes_of_it(codes, bits, message):
    with pytest.raises(UserError, match=message) as caught:
        packed_codes(codes, bits, "refuse", "query")
    (line,) = caught.value.args
    assert "\n" not in line
    if codes.dtype != float:
        assert "codes > 0" not in line or "if they are features" in line  # of bytes that is another code


def test_bytes_beside_another_form_are_refused():
    for other in (SIGNS, pack_codes(CODES), CODES):
        for sides in ({"query": packed(CODES), "database": other}, {"query": other, "database": packed(CODES)}):
            with pytest.raises(
                UserError, match=r"order of bits is not known.*np.unpackbits\(codes, axis=1, count=48\)"
            ):
                packed_together(sides, 48, "refuse")


def test_sides_packed_in_different_orders_are_refused():
    sides = {"query": packed(CODES[:, :44]), "database": packed(CODES[:, :44], "little")}
    with pytest.raises(UserError, match="0 at one end of every last byte"):
        packed_together(sides, 44, "refuse")
