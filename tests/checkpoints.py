"""One small model with momentum in every form a checkpoint may have; the fixtures are registered by conftest."""

import dataclasses
import io
import json
import pickle
import subprocess
import zipfile

import numpy as np
import pytest

from compare.conversion import convert
from compare.frameworks.worker import default_python
from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import Checkpoint
from shared.checkpoint.names import parameter_names
from shared.config.recipe import PRESETS
from shared.network.alexnet import parameters
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
    """Stands in for the worker: one process for all files, because importing PyTorch takes seconds."""

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


def same(first, second):
    return first.keys() == second.keys() and all(first[n].tobytes() == second[n].tobytes() for n in first)


def state(family, arrays=None, **changes):
    return {parameter_names(family)[name]: array for name, array in (arrays or numbers(0)).items()} | changes


def pickled(path, content):
    path.write_bytes(pickle.dumps(content, 4))
    return path


def in_paddle(arrays):
    return {name: array.T if array.ndim == 2 else array for name, array in arrays.items()}


DEEPHASH, PADDLE = (in_paddle(state(family)) for family in ("deephash", "paddle_greedyhash"))


@pytest.fixture(scope="session")
def original():
    text = json.dumps(dataclasses.asdict(RECIPE))
    return Checkpoint(numbers(0), numbers(1), epoch=2, learning_rate=0.005, recipe=text, framework="torch")


@pytest.fixture(scope="session")
def files(original, torch_writer, tmp_path_factory):
    """The original in every form."""
    return {form: written(form, original, tmp_path_factory.mktemp(form), torch_writer) for form in FORMS}


@pytest.fixture(scope="session")
def foreign(original, files, torch_writer, tmp_path_factory):
    """A folder of what PyTorch writes; the child fails unless DeepHash-pytorch's network takes ours."""
    out = tmp_path_factory.mktemp("foreign")
    checkpoint.save(out / "neutral.safetensors", original)
    convert.write(out / "deephash.pth", convert.without_classifier(original), "deephash", torch_writer)
    words = (out / "neutral.safetensors", out, files["torch"], files["lightning"], out / "deephash.pth")
    helpers.child("torch", "torch_checkpoints", *words)
    return out


def written(form, found, folder, writer=None):
    suffix, names = FORMS[form]
    path = folder / f"model{suffix}"
    convert.write(path, found, names, writer)
    return path


def wrapped(program, suffix, files):
    """``program`` as the pickle of a file with this ``suffix``."""
    if suffix != ".pt":
        return program
    content = io.BytesIO()
    with zipfile.ZipFile(files["torch"]) as source, zipfile.ZipFile(content, "w") as target:
        for info in source.infolist():
            target.writestr(info.filename, program if info.filename.endswith("data.pkl") else source.read(info))
    return content.getvalue()
