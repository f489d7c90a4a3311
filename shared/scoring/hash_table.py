"""A hash table of rows, compiled."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, boundscheck=False)
def group(rows, table, first, sizes, of_row):
    """Number the groups of equal rows, uint64 (N, W), by first appearance; their count, -1 if ``first`` is too short.

    ``table`` is int32, filled with -1, its length a power of two above twice ``first``'s; the others are as in
    ``Groups`` and written to.
    """
    last, count = np.uint64(len(table) - 1), 0
    for row in range(len(rows)):
        slot = np.uint64(0)
        for word in range(rows.shape[1]):
            # an odd number near 2**64 / the golden ratio spreads what differs in any bit over the upper bits
            slot = (slot ^ rows[row, word]) * np.uint64(0x9E3779B97F4A7C15)
            slot ^= slot >> np.uint64(32)
        slot &= last
        while table[slot] >= 0:
            same = True
            for word in range(rows.shape[1]):
                same &= rows[row, word] == rows[first[table[slot]], word]
            if same:
                break
            slot = (slot + np.uint64(1)) & last
        number = table[slot]
        if number < 0:
            if count == len(first):
                return -1
            number = table[slot] = count
            first[number], sizes[number] = row, 0
            count += 1
        sizes[number] += 1
        of_row[row] = number
    return count
