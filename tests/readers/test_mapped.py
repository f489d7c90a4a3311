"""Rows of memory-mapped files: read by the batch, ahead of need, and not kept in memory."""

import threading
from pathlib import Path

import numpy as np
import pytest

from shared.readers.mapped import blocks, gathered, read_ahead


@pytest.fixture
def mapped(tmp_path):
    """uint8 (2000, 64, 64, 3), 24 MB: in every row its number."""
    rows = np.broadcast_to((np.arange(2000) % 251).astype(np.uint8)[:, None, None, None], (2000, 64, 64, 3))
    rows.tofile(tmp_path / "rows")
    return np.memmap(tmp_path / "rows", np.uint8, "r", shape=rows.shape)


def resident_bytes():
    """What this process has resident of the mapped file."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.endswith("/rows"))
    return 1024 * int(next(line for line in lines[start:] if line.startswith("Rss:")).split()[1])


def test_gathered_rows_do_not_stay_resident(mapped):
    index = np.random.RandomState(0).permutation(2000)
    for start in range(0, 2000, 100):
        part = index[start : start + 100]
        taken = gathered(mapped, part)
        assert type(taken) is np.ndarray
        assert np.array_equal(taken[:, 0, 0, 0], part % 251)
        assert resident_bytes() < 2**20
    assert mapped.sum() > 0
    assert resident_bytes() > 20 * 2**20


def test_blocks_of_large_rows_hold_few(tmp_path):
    np.zeros((40, 2**21), np.uint8).tofile(tmp_path / "rows")
    large = np.memmap(tmp_path / "rows", np.uint8, "r", shape=(40, 2**21))
    counts = []
    for block in blocks(large):
        assert block.sum() == 0
        counts.append(len(block))
        assert resident_bytes() <= 33 * 2**20
    assert (sum(counts), max(counts)) == (40, 16)


def test_the_next_batch_is_read_while_one_is_used(mapped):
    prepared = threading.Semaphore(0)

    def prepare(rows):
        prepared.release()
        return rows[:, 0, 0, 0].tolist()

    batches = read_ahead(mapped, iter([np.array([3, 1]), np.array([7]), np.array([2, 250])]), prepare)
    assert next(batches) == [3, 1]
    assert prepared.acquire(timeout=30)
    assert prepared.acquire(timeout=30)  # the second, which nobody has asked for
    assert not prepared.acquire(timeout=0.05)
    assert list(batches) == [[7], [2, 250]]
    assert list(read_ahead(mapped, [], prepare)) == []


def test_a_failure_ahead_is_raised_where_its_batch_is_asked_for(mapped):
    batches = read_ahead(mapped, [np.array([0]), np.array([2000])], len)
    assert next(batches) == 1
    with pytest.raises(IndexError):
        next(batches)


def test_whoever_stops_early_leaves_no_thread(mapped):
    before = threading.active_count()
    batches = read_ahead(mapped, [np.array([k]) for k in range(9)], lambda rows: rows)
    next(batches)
    batches.close()
    assert threading.active_count() == before
