"""The nearest items by Hamming distance, exactly, through a faiss index that is stored beside the codes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.codes.codes import Codes
from shared.readers.mapped import blocks
from shared.system.errors import UserError
from shared.system.files import atomic_path
from shared.training.runs import Run
from shared.worker.exported import needs

if TYPE_CHECKING:
    import faiss

# the first bytes of a stored index: its type and the length of its codes
_KIND_BYTES = 12


class Neighbours(NamedTuple):
    """The first k items of Q rankings: ``position`` in the database and ``distance``, int64 (Q, k) each."""

    position: np.ndarray
    distance: np.ndarray


class CodeIndex:
    """The codes of a database; any number of threads may search it at once."""

    def __init__(self, flat: "faiss.IndexBinaryFlat", bits: int) -> None:
        """``flat`` holds codes of ``bits`` bits, filled up to whole words by zeros."""
        self.bits, self._flat = bits, flat

    def __len__(self) -> int:
        return self._flat.ntotal

    def nearest(self, words: np.ndarray, k: int) -> Neighbours:
        """The ``k`` nearest items of each query in uint64 (Q, ceil(bits/64)); all items where they are fewer.

        Ordered by distance, then by position in the database. Raises UserError for words of another shape and for
        k < 1.
        """
        if words.shape[1:] != (-(-self.bits // 64),):
            raise UserError(f"queries: expected packed codes of {self.bits} bits, received shape {words.shape}")
        if k < 1:
            raise UserError(f"expected at least 1 item for each query, received {k}")
        queries, k = _octets(words), min(k, len(self))
        # faiss defines no order at one distance; one item more than k shows where the cut goes through such a group
        distance, position = self._flat.search(queries, min(k + 1, len(self)))
        cut = (distance[:, k - 1 : k] == distance[:, k:]).any(axis=1)
        position, distance = position[:, :k].copy(), distance[:, :k].astype(np.int64)
        for query in np.flatnonzero(cut):
            radius = int(distance[query, -1])
            farthest = distance[query] == radius
            position[query, farthest] = self._first_at(queries[query], radius, int(farthest.sum()))
        order = np.lexsort((position, distance))
        return Neighbours(*(np.take_along_axis(values, order, axis=1) for values in (position, distance)))

    def count_at(self, words: np.ndarray, radius: int) -> int:
        """How many items are exactly ``radius`` from a query, uint64 (ceil(bits/64),)."""
        (query,) = _octets(words[None])
        return sum(len(_positions_at(query, block, radius)) for block in blocks(_stored_octets(self._flat)))

    def _first_at(self, query: np.ndarray, radius: int, many: int) -> np.ndarray:
        """The first ``many`` positions exactly ``radius`` from the query uint8 (bytes,): int64 (many,)."""
        positions, start = np.zeros(0, np.int64), 0
        for block in blocks(_stored_octets(self._flat)):
            positions = np.concatenate([positions, start + _positions_at(query, block, radius)])
            if len(positions) >= many:
                break
            start += len(block)
        return positions[:many]


class RunIndex(NamedTuple):
    """The database of a run: its ``codes``, and of each item the image ``index`` and ``labels``, int64 (N,)."""

    codes: CodeIndex
    index: np.ndarray
    labels: np.ndarray


def index_run(run: Run) -> RunIndex:
    """The database of a finished run; raises like ``build_index``, and UserError without readable codes."""
    return index_codes(Codes.load(run.codes_file, run.recipe().num_classes), run.codes_file)


def index_codes(codes: Codes, file: Path) -> RunIndex:
    """The database among ``codes``, which were read from ``file``; raises like ``build_index``."""
    n = codes.num_queries
    stored = open_index(codes.codes[n:], codes.bits, index_beside(file))
    return RunIndex(stored, codes.index[n:], codes.labels[n:])


def index_beside(codes: Path) -> Path:
    """Where the index of the codes in this file or folder is stored."""
    return codes / "codes.faiss" if codes.is_dir() else codes.with_suffix(".faiss")


def open_index(words: np.ndarray, bits: int, file: Path) -> CodeIndex:
    """The index in ``file`` if it holds these very codes, else a new one that is stored there.

    ``words`` as for ``build_index``, which also says what is raised. A stored index is memory-mapped and compared with
    the codes: one that is damaged or of other codes is replaced. Where ``file`` cannot be written, stderr says so.
    """
    needs("faiss", extra="retrieve")
    flat = _read(words, bits, file)
    if flat is not None:
        return CodeIndex(flat, bits)
    flat = _build(words, bits)
    try:
        _write(flat, file)
    except UserError as error:
        print(f"note: {error}; the index stays in memory and is built again next time", file=sys.stderr)
    return CodeIndex(flat, bits)


def build_index(words: np.ndarray, bits: int) -> CodeIndex:
    """An index of packed codes uint64 (N, ceil(bits/64)), N > 0, which are read in blocks and may be memory-mapped.

    Raises UserError when faiss is not installed.
    """
    needs("faiss", extra="retrieve")
    return CodeIndex(_build(words, bits), bits)


def _build(words: np.ndarray, bits: int) -> "faiss.IndexBinaryFlat":
    flat = _empty(bits)
    # at once: added to block by block, it would be copied whenever it outgrows its memory, and be there twice
    flat.xb.resize(words.nbytes)
    flat.ntotal, start = len(words), 0
    stored = _stored_octets(flat)
    for block in blocks(words):
        stored[start : start + len(block)] = _octets(block)
        start += len(block)
    return flat


def _empty(bits: int) -> "faiss.IndexBinaryFlat":
    import faiss

    return faiss.IndexBinaryFlat(64 * -(-bits // 64))


def _write(flat: "faiss.IndexBinaryFlat", file: Path) -> None:
    import faiss

    # through Python's file, since faiss's own reports no full disk as such
    with atomic_path(file) as temporary, temporary.open("wb") as opened:
        faiss.write_index_binary(flat, faiss.PyCallbackIOWriter(opened.write))


def _read(words: np.ndarray, bits: int, file: Path) -> "faiss.IndexBinaryFlat | None":
    """The index in ``file``; None unless it is one of exactly these codes."""
    import faiss

    if not _looks_right(file, _empty(bits), words.nbytes):
        return None
    try:
        flat = faiss.read_index_binary(str(file), faiss.IO_FLAG_MMAP_IFC)
    except Exception:  # a damaged file fails anywhere inside faiss
        return None
    return flat if _holds(flat, words) else None


def _looks_right(file: Path, empty: "faiss.IndexBinaryFlat", num_bytes: int) -> bool:
    """Whether kind and size are those of an ``empty`` index with so many bytes of codes in it.

    Faiss is given no other file to read, since a damaged header could make it read anything.
    """
    import faiss

    begin = faiss.serialize_index_binary(empty).tobytes()
    try:
        if not file.is_file() or file.stat().st_size != len(begin) + num_bytes:
            return False
        with file.open("rb") as opened:
            return opened.read(_KIND_BYTES) == begin[:_KIND_BYTES]
    except OSError:
        return False


def _holds(flat: "faiss.IndexBinaryFlat", words: np.ndarray) -> bool:
    if flat.ntotal != len(words):
        return False
    pairs = zip(blocks(_stored_octets(flat)), blocks(words), strict=True)
    return all(np.array_equal(stored, _octets(block)) for stored, block in pairs)


def _stored_octets(flat: "faiss.IndexBinaryFlat") -> np.ndarray:
    """The codes of an index, as ``_octets`` gives them: a view that lives as long as the index."""
    import faiss

    return faiss.rev_swig_ptr(flat.xb.data(), flat.xb.size()).reshape(flat.ntotal, flat.code_size)


def _octets(words: np.ndarray) -> np.ndarray:
    """Packed codes as faiss takes them: uint8 (N, 8 * ceil(bits/64)), bit 0 lowest.

    Whole words, although bytes would do: faiss compares eight bytes much faster than six.
    """
    return words.astype("<u8", order="C").view(np.uint8)


def _positions_at(query: np.ndarray, octets: np.ndarray, radius: int) -> np.ndarray:
    """The rows of uint8 (N, bytes) that are exactly ``radius`` from a query uint8 (bytes,), in order: int64."""
    import faiss

    result = faiss.RangeSearchResult(1)
    # faiss finds what is nearer than the distance it is given
    arguments = (1, len(octets), radius + 1, octets.shape[1], result)
    faiss.hamming_range_search(faiss.swig_ptr(query), faiss.swig_ptr(octets), *arguments)
    count = int(faiss.rev_swig_ptr(result.lims, 2)[1])
    distance, position = (faiss.rev_swig_ptr(values, count) for values in (result.distances, result.labels))
    return np.sort(position[distance == radius])
