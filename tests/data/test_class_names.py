"""Classes are called by their folders' names wherever they are shown: predict, retrieve, report, export."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from compare.search.run_queries import open_run
from compare.suite.run_folders import finished_runs
from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import read_checkpoint
from shared.data.cifar import class_name, load
from shared.training.runs import Run
from shared.worker import exported
from tests import helpers

NAMES = ("one", "two", "three", "four", "a\x1b[31mb", "six", "七", "\x85x", "$nine$", "ten")
SHOWN = ("one", "two", "three", "four", r"a\x1b[31mb", "six", "七", r"\x85x", "$nine$", "ten")


@pytest.fixture(scope="module")
def named_suite(small_suite, tmp_path_factory):
    """The small suite, as if the digits were somebody's own images in class folders with ``NAMES``."""
    out = tmp_path_factory.mktemp("named") / "suite"
    shutil.copytree(small_suite, out)
    digits = load("digits")
    arrays = {"x_train": digits.pixels[:1000], "y_train": digits.labels[:1000]}
    np.savez(out / "own.npz", **arrays, x_test=digits.pixels[1000:], y_test=digits.labels[1000:])
    for run in finished_runs(out):
        recipe = dataclasses.replace(run.recipe(), dataset="custom", class_names=NAMES)
        run.recipe_file.write_text(json.dumps(dataclasses.asdict(recipe)))
        trained = dataclasses.replace(
            read_checkpoint(run.checkpoint_file), recipe=json.dumps(dataclasses.asdict(recipe))
        )
        checkpoint.save(run.checkpoint_file, trained)
        result = json.loads(run.result_file.read_text())
        run.result_file.write_text(json.dumps(result | {"dataset": "custom", "recipe_digest": recipe.digest()}))
        environment = json.loads(run.environment_file.read_text())
        run.environment_file.write_text(json.dumps(environment | {"data": str(out / "own.npz")}))
    return out


def test_a_class_without_a_name_has_its_number():
    assert [class_name(name, 3) for name in ("cifar10", "digits", "custom")] == ["cat", "digit 3", "class 3"]
    assert tuple(class_name("custom", label, NAMES) for label in range(10)) == SHOWN


def test_predict_names_classes_and_files_that_are_no_text(framework, named_suite, tmp_path):
    files = [os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/\xc6\xdf.png", b"/ok.png")]
    for file in files:
        Image.fromarray(load("digits").pixels[0]).save(file)
    run = Run(named_suite / framework / "bits12-seed2000")
    arguments = ("--checkpoint", run.checkpoint_file, "--data", named_suite / "own.npz", "--image", *files)
    done = helpers.worker(framework, "predict", *arguments, environment={"PYTHONIOENCODING": "utf-8:strict"})
    (first, described), (second, again) = (line.split(": ", 1) for line in done.stdout.splitlines())
    assert (first, second) == (rf"{tmp_path}/\xc6\xdf.png", f"{tmp_path}/ok.png")
    assert described == again
    assert described.split(", probability")[0] in SHOWN


def test_retrieve_and_its_data_name_them(named_suite):
    found = open_run(named_suite / "torch" / "bits12-seed2000", None)
    assert tuple(map(found.class_of, range(10))) == SHOWN
    assert tuple(map(found.dataset.class_of, range(10))) == SHOWN
    assert found.dataset.name == "custom"


def test_the_report_names_them_and_is_written(named_suite):
    assert helpers.run("compare/report.py", named_suite).stderr == ""
    page = (named_suite / "report.html").read_text(encoding="utf-8")
    for name in SHOWN:
        assert name in page
    assert "\x1b" not in page


def test_the_manifest_of_an_exported_model_names_them(named_suite, tmp_path):
    recipe = Run(named_suite / "torch" / "bits12-seed2000").recipe()
    exported.Manifest("onnx", recipe, "0" * 64, (8, 8), {}, {}).save(tmp_path)
    assert tuple(json.loads((tmp_path / "manifest.json").read_text())["class_names"]) == SHOWN
    assert exported.read_manifest(tmp_path).recipe == recipe
