"""Fixtures: which frameworks to test, a finished small suite, and the real images where they lie beside the project."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from shared.system.files import folder_lock
from tests import helpers, prepared
from tests.browser import browser  # noqa: F401 - fixture
from tests.checkpoints import files, foreign, original, torch_writer  # noqa: F401 - fixtures
from tests.servers import server  # noqa: F401 - fixture
from tests.worker.exported_models import digit_files, models  # noqa: F401 - fixtures

# the same examples every time, so that a test fails for whoever broke it; others: pytest --hypothesis-profile default
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

_stack = ExitStack()
# what the user of the tests calls the frameworks' interpreters
_named_pythons = {}
REAL_DATA = helpers.PROJECT_ROOT.parent / "shared" / "data"


def pytest_sessionstart(session):
    """Start the interpreters that have their imports done, in each process that runs tests."""
    if session.config.option.collectonly or getattr(session.config.option, "numprocesses", None):
        return
    folder = Path(_stack.enter_context(tempfile.TemporaryDirectory()))
    for name in ("commands", *helpers.MODULES):
        python = sys.executable if name == "commands" else helpers.default_python(name)
        path = str(_stack.enter_context(prepared.interpreter(name, python, folder / name)))
        helpers.prepared_python[name] = path
        if name in helpers.MODULES:
            variable = f"GREEDYHASH_{name.upper()}_PYTHON"
            _named_pythons[variable] = os.environ.get(variable, "")
            os.environ[variable] = path
    helpers.ENVIRONMENT.update(os.environ, OMP_NUM_THREADS="1", COLUMNS="200")


def pytest_sessionfinish():
    _stack.close()


def pytest_generate_tests(metafunc):
    """Both frameworks for each test of one; ``slow_for`` names those that only the slow tests take."""
    if "framework" in metafunc.fixturenames:
        slow_for = [name for mark in metafunc.definition.iter_markers("slow_for") for name in mark.args]
        marks = {name: [pytest.mark.slow] if name in slow_for else [] for name in ("torch", "paddle")}
        metafunc.parametrize("framework", [pytest.param(name, marks=marks[name]) for name in marks])


@pytest.fixture(autouse=True)
def _only_installed(request):
    """Skip a framework that is not installed, unless GREEDYHASH_TEST_FRAMEWORKS says that it must be."""
    framework = request.node.callspec.params.get("framework") if hasattr(request.node, "callspec") else None
    if framework is None:
        return
    required = os.environ.get("GREEDYHASH_TEST_FRAMEWORKS", "").split(",")
    if framework not in required and not helpers.is_installed(framework):
        pytest.skip(f"{framework} is not installed")


@pytest.fixture
def real_processes(monkeypatch):
    """Commands and workers that begin as a user's do, for tests of how a process begins."""
    monkeypatch.setenv(prepared.REAL, "1")
    monkeypatch.setitem(helpers.ENVIRONMENT, prepared.REAL, "1")
    for name, value in _named_pythons.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setitem(helpers.ENVIRONMENT, name, value)  # empty: not named


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Calls ``make(folder)`` with a new folder in one of the processes that run tests; the folder, in all of them."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name, make):
        folder, mark = base / name, base / f"{name}.made"
        with folder_lock(base / f"{name}.lock", wait_seconds=600):
            if not mark.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
                folder.mkdir()
                make(folder)
                mark.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def small_suite(made_once, tmp_path_factory):
    """A finished suite: the demo with 12 bits, both frameworks, three epochs, scored after each."""
    made = made_once("small-suite", lambda out: helpers.benchmark("--out", out, *helpers.SMALL))
    return shutil.copytree(made, tmp_path_factory.mktemp("small") / "suite")


@pytest.fixture(scope="session")
def real_images(made_once):
    """Folder with all 60,000 real images as cifar10.npz and cifar-10-batches-bin/."""
    if not (REAL_DATA / "prepare.py").exists():
        pytest.skip("the real images are not beside the project (../shared/data)")

    return made_once("real-images", lambda folder: prepare_real_images(folder, "npz", "bin"))


@pytest.fixture(scope="session")
def real_pictures(made_once, real_images):
    """Folder with all 60,000 real images as JPEG files, which take minutes to make and to remove: for slow tests."""
    return made_once("real-pictures", lambda folder: prepare_real_images(folder, "images")) / "images"


def prepare_real_images(folder, *formats):
    command = [sys.executable, REAL_DATA / "prepare.py", folder, "--formats", *formats]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="session")
def fake_cifar(tmp_path_factory) -> tuple[Path, np.ndarray, np.ndarray]:
    """60,000 random images with CIFAR-10's class counts, in the official binary layout."""
    generator = np.random.default_rng(7)
    pixels = generator.integers(0, 256, size=(60_000, 32, 32, 3), dtype=np.uint8)
    labels = np.concatenate([generator.permutation(np.repeat(np.arange(10), n)) for n in (5000, 1000)])
    folder = tmp_path_factory.mktemp("fake") / "cifar-10-batches-bin"
    helpers.write_binary_layout(folder, pixels, labels)
    return folder, pixels, labels
