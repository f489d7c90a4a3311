"""Arrays that may be memory-mapped, a part at a time."""

import math
import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

_ROWS_AT_ONCE, _BYTES_AT_ONCE = 2**16, 2**25
T = TypeVar("T")


def is_mapped(rows: np.ndarray) -> bool:
    """Whether the rows are those of a memory-mapped file."""
    return isinstance(rows, np.memmap)


def blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Views of the rows, some at a time; of a memory-mapped array no more than that need be resident."""
    row_bytes = max(1, rows.itemsize * math.prod(rows.shape[1:]))
    at_once = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // row_bytes))
    for start in range(0, len(rows), at_once):
        yield rows[start : start + at_once]
        _release(rows)


def gathered(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Copies of the rows at ``index``, int64 (B,); of a memory-mapped array nothing else need be resident."""
    taken = np.asarray(rows[index])
    _release(rows)
    return taken


def read_ahead(rows: np.ndarray, batches: Iterable[np.ndarray], prepare: Callable[[np.ndarray], T]) -> Iterator[T]:
    """``prepare`` of the rows at each of ``batches``, int64 (B,), in a thread: one batch before it is asked for."""
    coming: deque[Future[T]] = deque()
    with ThreadPoolExecutor(1) as thread:
        for index in batches:
            coming.append(thread.submit(lambda index: prepare(gathered(rows, index)), index))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _release(rows: np.ndarray) -> None:
    """Of a file that is mapped for reading, what was read no longer counts as this process's memory."""
    if isinstance(rows, np.memmap) and rows.mode == "r":
        mapping = rows.base
        while isinstance(mapping, np.ndarray):
            mapping = mapping.base
        mapping.madvise(mmap.MADV_DONTNEED)
