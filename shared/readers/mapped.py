"""Arrays that may be memory-mapped, a part at a time."""

import mmap
from collections.abc import Iterator

import numpy as np

_ROWS_AT_ONCE = 2**16


def blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Views of the rows, some at a time; of a memory-mapped array no more than that need be resident."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]
        _release(rows)


def _release(rows: np.ndarray) -> None:
    """Of a file that is mapped for reading, what was read no longer counts as this process's memory."""
    if isinstance(rows, np.memmap) and rows.mode == "r":
        mapping = rows.base
        while isinstance(mapping, np.ndarray):
            mapping = mapping.base
        mapping.madvise(mmap.MADV_DONTNEED)
