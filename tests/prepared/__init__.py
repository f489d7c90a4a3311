"""Interpreters that have their imports done: tests start hundreds of processes, most of whose work would be imports.

Each is an executable that takes a command line as Python does. A command of the project is run by a fork of a server
that has imported the libraries, with the environment, folder and standard streams of whoever asked, who may kill it;
anything else, and whatever depends on how a process begins, is run by the real interpreter.
"""

import os
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

# set for a command that must be a process of its own from the beginning
REAL = "GREEDYHASH_TEST_REAL_PROCESS"
_FOLDER = Path(__file__).parent


@contextmanager
def interpreter(libraries, python, folder):
    """The path of an interpreter like ``python`` with "torch", "paddle" or the "commands"' libraries imported."""
    folder.mkdir()
    address, path = folder / "socket", folder / "python"
    words = map(shlex.quote, (sys.executable, "-I", "-S", str(_FOLDER / "client.py"), str(address), str(python)))
    path.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
    path.chmod(0o755)
    command = [python, str(_FOLDER / "server.py"), libraries, str(address)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    server.stdout.readline()  # it listens
    try:
        yield path
    finally:
        server.stdin.close()
        server.wait()
