"""Databases beyond memory: what the search keeps resident of ten million items in memory-mapped files."""

import json
from pathlib import Path

import numpy as np

from shared.codes.packing import pack_codes, packed_codes, unpack_codes
from tests import helpers
from tests.search.test_neighbours import random_codes

# prints how much memory the command that follows needed at its highest, in MB
MEASURED = """
import atexit, pathlib, runpy, sys
def peak():
    line = next(line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(int(line.split()[1]) / 1024, file=sys.stderr)
atexit.register(peak)
sys.argv = sys.argv[1:]
sys.path.insert(0, ".")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_ten_million_items_in_half_a_gigabyte(tmp_path):
    generator, items = np.random.default_rng(0), 10_000_000
    codes = np.lib.format.open_memmap(tmp_path / "codes.npy", "w+", np.uint64, (items, 1))
    for block in np.split(codes, 10):
        block[:] = generator.integers(0, 2**64, block.shape, np.uint64)
    np.save(tmp_path / "labels.npy", np.zeros(items, np.uint8))
    np.savez(tmp_path / "q.npz", codes=codes[-1:], labels=[1], bits=64)
    arguments = ("--query", tmp_path / "q.npz", "--database", tmp_path / "codes.npy", "--json")
    for _ in range(2):  # with a new index and with the stored one
        done = helpers.run("-c", MEASURED, "compare/retrieve.py", *arguments)
        assert json.loads(done.stdout.splitlines()[0])["nearest"][0]["position"] == items - 1
        assert 50 < float(done.stderr) < 500


def resident_megabytes_of_files():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "RssFile" in line)
    return int(line.split()[1]) / 1024


def test_mapped_codes_that_were_packed_are_no_longer_resident(tmp_path):
    file, codes = tmp_path / "codes.npy", random_codes(5, 1_000_000, 64)
    np.save(file, codes)
    mapped, before = np.load(file, mmap_mode="r"), resident_megabytes_of_files()
    words, _ = packed_codes(mapped[1:], None, "refuse", "database")
    assert resident_megabytes_of_files() - before < 20  # of 64
    assert (words == pack_codes(codes[1:])).all()
    changed = np.load(file, mmap_mode="c")
    changed[0] = ~changed[0]
    for _ in range(2):  # such a change lives in memory alone
        assert (unpack_codes(packed_codes(changed[:9], None, "refuse", "database")[0], 64) == changed[:9]).all()
