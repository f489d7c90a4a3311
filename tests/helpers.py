"""Starting the project's commands as a user would, and writing the files they read."""

import dataclasses
import faulthandler
import functools
import os
import subprocess
import sys
import sysconfig
import time
import venv
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from compare.frameworks.worker import default_python
from shared.config.recipe import PRESETS
from shared.data import cifar

PROJECT_ROOT = Path(__file__).resolve().parents[1]
MODULES = {"torch": "torch", "paddle": "paddle"}
SMALL_BUT_EPOCHS = ("--preset", "demo", "--bits", "12", "--eval-every", "1")
SMALL = (*SMALL_BUT_EPOCHS, "--epochs", "3")
# one thread each: tests run side by side, and threads that wait for a busy core spin
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
OFFLINE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


# as sitecustomize.py: makes a framework look as if it were not installed
BLOCKING = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "{framework}":
            raise ImportError("No module named '{framework}'")
sys.meta_path.insert(0, Blocker())
"""


def python_without(framework, folder):
    """An interpreter of its own that has this one's packages, but not ``framework``."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    here = sysconfig.get_path("purelib")
    (packages / "packages.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    (packages / "sitecustomize.py").write_text(BLOCKING.format(framework=framework))
    return folder / "bin" / "python"


@functools.cache
def is_installed(framework):
    program = f"import importlib.util as u, sys; sys.exit(u.find_spec({MODULES[framework]!r}) is None)"
    return subprocess.run([default_python(framework), "-c", program], check=False).returncode == 0


# interpreters with their imports done, where the session has some
prepared_python = {}


def run(*command, python=None, status=0, environment=None, timeout=500, stdin=None, cwd=PROJECT_ROOT):
    """Run a command of an interpreter and check its exit status, unless ``status`` is None."""
    is_command = str(command[0]).startswith("compare/")
    python = python or (prepared_python.get("commands") if is_command else None) or sys.executable
    argv = [python, *map(str, command)]
    env = ENVIRONMENT | {key: str(value) for key, value in (environment or {}).items()}
    pipes = {"capture_output": True, "text": True, "input": stdin}
    done = subprocess.run(argv, **pipes, env=env, timeout=timeout, cwd=cwd, check=False)
    assert status in (None, done.returncode), f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def worker(framework, *arguments, **options):
    return run("-m", f"{framework}_impl", *arguments, python=default_python(framework), **options)


def benchmark(*arguments, align=False, **options):
    skip = [] if align else ["--skip-align"]
    return run("compare/benchmark.py", *arguments, *skip, **options)


def start_benchmark(*arguments, **options):
    """Start the command in the background, to be killed."""
    words = [sys.executable, "compare/benchmark.py", "--skip-align", *map(str, arguments)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": PROJECT_ROOT, "env": ENVIRONMENT}
    return subprocess.Popen(words, **quiet, **options)


def small_recipe(**changes):
    """The demo's recipe with 12 bits, for its own images and split."""
    images = cifar.load(cifar.DIGITS)
    recipe = dataclasses.replace(PRESETS["demo"], bits=12, data_sha256=images.digest(), **changes)
    split = cifar.split(images.labels, recipe.protocol, recipe.seed)
    return dataclasses.replace(recipe, split_sha256=split.digest())


def batch_arrays(epoch, batch):
    """Images, int64 (B,), and dropout masks, uint8 (B, units) each, of a batch of shared.training.batches.Epoch."""
    index = epoch.index[batch.images]
    if batch.masks is None:
        return index, None
    masks = zip(epoch.masks, batch.masks, epoch.units, strict=True)
    return index, tuple(
        np.unpackbits(packed[place], count=len(index) * units, bitorder="little").reshape(len(index), units)
        for packed, place, units in masks
    )


def child(framework, name, *arguments, **options):
    """Run a program of ``tests/children`` in a process of its own, where it may import the framework."""
    return run("-m", f"tests.children.{name}", *arguments, python=default_python(framework), **options)


def write_binary_layout(folder, pixels, labels):
    folder.mkdir(parents=True)
    records = np.empty((len(pixels), 3073), np.uint8)
    records[:, 0] = labels
    for channel, plane in enumerate(np.split(records[:, 1:], 3, axis=1)):
        plane[:] = pixels[..., channel].reshape(-1, 1024)
    for name, part in zip([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"], np.split(records, 6), strict=True):
        (folder / f"{name}.bin").write_bytes(part.tobytes())


def children(parent):
    """Process ids of the children of a process; not every kernel has a list of them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = file.read_text().rpartition(")")[2].split()
            found += [int(file.parent.name)] if int(fields[1]) == parent else []
    return found


def wait_until(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def must_end(seconds=200):
    """End this process, saying where it stood, if the block hangs, also inside a library."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def check_same_numbers(run, whole):
    for ours, theirs in zip(run.log(), whole.log(), strict=True):
        for name in ("epoch", "lr", "loss", "cross_entropy", "penalty", "map", "accuracy"):
            assert ours.get(name) == theirs.get(name)  # not every epoch is scored
    for name in ("map_last", "map_best", "accuracy", "checkpoint_sha256", "initial_weights_sha256"):
        assert run.result()[name] == whole.result()[name]
