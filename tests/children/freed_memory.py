"""freed_memory FRAMEWORK: resident bytes before a block of memory was used and after it was freed, as JSON."""

import ctypes
import importlib
import json
import sys
from pathlib import Path

BLOCK = 2**26
importlib.import_module(f"{sys.argv[1]}_impl.runtime").configure()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]


def resident():
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


before = resident()
address = libc.malloc(BLOCK)
ctypes.memset(address, 1, BLOCK)
libc.free(address)
print(json.dumps({"block": BLOCK, "before": before, "freed": resident()}))
