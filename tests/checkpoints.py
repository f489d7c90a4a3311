"""One small model with momentum in every form a checkpoint may have; the fixtures are registered by conftest."""

import dataclasses
import json
import subprocess

import numpy as np
import pytest

from compare import convert
from compare.worker import default_python
from shared.checkpoint import Checkpoint
from shared.recipe import PRESETS, parameters
from tests import helpers

RECIPE = dataclasses.replace(PRESETS["demo"], bits=12, width=1 / 64)
FORMS = {
    "neutral": (".safetensors", "ours"),
    "lightning": (".ckpt", "ours"),
    "torch": (".pt", "ours"),
    "greedyhash": (".pkl", "greedyhash"),
    "deephash": (".pth", "deephash"),
    "paddle": (".pdparams", "ours"),
    "paddle_greedyhash": (".pdparams", "paddle_greedyhash"),
}


class TorchWriter:
    """Stands in for ``compare.worker.Worker``: one process for all files, because importing PyTorch takes seconds."""

    def __init__(self):
        words = [default_python("torch"), "-m", "tests.children.torch_writer"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(words, cwd=helpers.PROJECT_ROOT, env=helpers.ENVIRONMENT, **pipes)

    def output_of(self, _module, *arguments):
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "written\n"

    def close(self):
        self._process.communicate()


@pytest.fixture(scope="session")
def torch_writer():
    if not helpers.is_installed("torch"):
        pytest.skip("torch is not installed")
    writer = TorchWriter()
    yield writer
    writer.close()


def numbers(seed):
    generator = np.random.default_rng(seed)
    return {p.name: generator.standard_normal(p.shape).astype(np.float32) for p in parameters(RECIPE)}


@pytest.fixture(scope="session")
def original():
    text = json.dumps(dataclasses.asdict(RECIPE))
    return Checkpoint(numbers(0), numbers(1), epoch=2, rate=0.005, recipe=text, framework="torch")


@pytest.fixture(scope="session")
def files(original, torch_writer, tmp_path_factory):
    """The original in every form."""
    return {form: written(form, original, tmp_path_factory.mktemp(form), torch_writer) for form in FORMS}


def written(form, found, folder, writer=None):
    suffix, names = FORMS[form]
    path = folder / f"model{suffix}"
    convert.write(path, found, names, writer)
    return path
