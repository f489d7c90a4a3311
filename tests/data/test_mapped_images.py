"""Packed pictures in the frameworks: the same runs to the last bit, in memory that does not grow with their number."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from compare.suite.images import with_data
from shared.checkpoint import weights
from shared.config.recipe import PRESETS
from shared.data.cifar import split_for
from shared.network.initial import initial_weights
from shared.system.progress import Progress
from shared.training.runs import Run
from tests import helpers

# prints how much memory the worker that follows needed at its highest, in MB
MEASURED = """
import atexit, pathlib, runpy, sys
def peak():
    line = next(line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print("peak", int(line.split()[1]) / 1024, file=sys.stderr)
atexit.register(peak)
sys.argv = sys.argv[1:]
sys.path.insert(0, ".")
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def draw(folder, count, side):
    """So many JPEG pictures of three classes: noise of 8x8 values, enlarged."""
    random = np.random.default_rng(0)
    for number in range(count):
        file = folder / f"c{number % 3}" / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        values = random.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC).save(file)
    return folder


def prepare(folder, data, **settings):
    """A run of one epoch on the pictures in ``data``, ready to be trained: the options of the worker."""
    small = {"bits": 12, "epochs": 1, "backbone": "none", "protocol": "cifar10-1", "width": 1 / 32}
    recipe, dataset = with_data(dataclasses.replace(PRESETS["demo"], **small, **settings), str(data), "", Progress())
    parts = split_for(dataset, recipe)
    recipe = dataclasses.replace(recipe, split_sha256=parts.digest())
    weights.save(folder / "initial.safetensors", initial_weights(recipe, {}), {})
    run = Run(folder / "run")
    run.prepare(recipe)
    return run, ["train", "--run", run.folder, "--data", data, "--initial-weights", folder / "initial.safetensors"]


def test_mapped_images_are_the_same_and_not_held_in_memory(framework, tmp_path):
    found = json.loads(helpers.child(framework, "mapped_images", framework, tmp_path).stdout.splitlines()[-1])
    assert found["differences"] == [[], []]
    assert found["growth"] < 50  # MB, of 226


def train_measured(framework, folder, count, side):
    """One epoch and the encoding of so many packed pictures: the finished run, and the peak of memory in MB."""
    data = draw(folder / "data", count, side)
    counts = {"queries_per_class": count // 30, "train_per_class": count // 3 - count // 30}
    run, arguments = prepare(folder, data, store_px=side, input_px=max(64, side), **counts)
    python = helpers.default_python(framework)
    done = helpers.run("-c", MEASURED, f"{framework}_impl", *arguments, python=python, timeout=3000)
    assert len(run.log()) == 1
    return float(done.stderr.rsplit("peak ", 1)[1])


@pytest.mark.slow
def test_ten_thousand_pictures_of_224_pixels_add_less_than_a_tenth_of_2_gib(framework, tmp_path, monkeypatch):
    """100,000 may add what is left of 2 GiB beside the framework: a tenth of 1 GiB, of 1.5 GB of pixels."""
    monkeypatch.setenv("GREEDYHASH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(helpers.ENVIRONMENT, "GREEDYHASH_CACHE", str(tmp_path / "cache"))
    peaks = [train_measured(framework, tmp_path / str(count), count, 224) for count in (300, 10_000)]
    assert peaks[1] - peaks[0] < 1024 / 10, peaks


def test_training_on_packed_pictures_is_the_same_run(framework, tmp_path, monkeypatch):
    monkeypatch.setenv("GREEDYHASH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(helpers.ENVIRONMENT, "GREEDYHASH_CACHE", str(tmp_path / "cache"))
    data, runs = draw(tmp_path / "data", 60, 64), []
    for name, store_px in (("packed", 64), ("held", 0)):
        (tmp_path / name).mkdir()
        settings = {"queries_per_class": 4, "train_per_class": 12, "input_px": 64, "store_px": store_px}
        run, arguments = prepare(tmp_path / name, data, **settings)
        helpers.worker(framework, *arguments)
        runs.append(run)
    helpers.check_same_numbers(*runs)
    assert runs[0].recipe().data_sha256 == runs[1].recipe().data_sha256
    assert len(list((tmp_path / "cache" / "packed").iterdir())) == 1
