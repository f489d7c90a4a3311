"""Matrix products, and work in parts whose number and order depend on shapes alone.

Products are the one thing that this package leaves to NumPy's BLAS (OpenBLAS in NumPy's own wheels), on one thread, of
blocks of C-contiguous matrices, or the transposes of such. Their bits are the same in every process with the same NumPy
on the same processor. All else is added up in the order that the docstrings say.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from shared.system.machine import num_threads

Part, Result = TypeVar("Part"), TypeVar("Result")

# of a part of a matrix that is transposed
_ROWS = 1024


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float32 (M, K) times (K, N), by NumPy's BLAS on one thread."""
    _hold_numpy_to_one_thread()
    return np.matmul(a, b)


def contiguous(array: np.ndarray) -> np.ndarray:
    """``array`` itself or a C-contiguous copy; TypeError unless it is float32."""
    if array.dtype != np.float32:
        raise TypeError(f"expected float32, received {array.dtype}")
    is_transposed = array.ndim == 2 and array.flags.f_contiguous and not array.flags.c_contiguous
    return _transposed(array.T) if is_transposed else np.ascontiguousarray(array)


def _transposed(matrix: np.ndarray) -> np.ndarray:
    """``matrix`` (M, N) -> (N, M): in blocks, several times faster than NumPy's copy of a large one."""
    from shared.kernels import loops

    result = np.empty(matrix.shape[::-1], np.float32)
    do_all(lambda rows: loops.transpose(matrix, rows.start, rows.stop, result), parts(len(matrix), _ROWS))
    return result


def parts(size: int, most: int) -> list[slice]:
    """``range(size)`` in parts of ``most`` items, or one each."""
    step = max(1, most)
    return [slice(start, min(size, start + step)) for start in range(0, size, step)]


def in_order(work: Callable[[Part], Result], its_parts: Sequence[Part]) -> Iterable[Result]:
    """The results of ``work`` on each part, in the order of the parts; they are worked on by this process's threads."""
    threads = min(num_threads(), len(its_parts))
    return map(work, its_parts) if threads == 1 else _pool(num_threads()).map(work, its_parts)


def do_all(work: Callable[[Part], None], its_parts: Sequence[Part]) -> None:
    """Do ``work`` on each part, which writes where no other part does."""
    for _ in in_order(work, its_parts):
        pass


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


# a forked process, as of a data loader, has the pool but not its threads, and would wait for them forever
os.register_at_fork(after_in_child=_pool.cache_clear)


@cache
def _hold_numpy_to_one_thread() -> None:
    """Only NumPy's: a framework's products go on with all threads."""
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        if "numpy" in Path(library.filepath).parent.name:
            library.set_num_threads(1)
