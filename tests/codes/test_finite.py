"""Hash logits, logits and losses that are not finite: refused wherever codes are made, in either framework."""

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image

from compare.frameworks.worker import Worker, default_python
from compare.tables.table import write_table
from shared.checkpoint import weights
from shared.codes.codes import Codes, collapsed
from shared.codes.finite import NO_CLASS, NotFinite, Reach, check_losses, may_overflow, predicted_classes, reaches
from shared.codes.packing import pack_codes
from shared.codes.predictions import Outputs, line, records, separate_problems
from shared.config.recipe import PRESETS
from shared.data import cifar
from shared.network.initial import initial_weights
from shared.system.errors import Diverged, UserError, WorkerDied
from shared.system.progress import Progress
from shared.training.job import Job
from shared.training.runs import Run
from shared.worker.exported import write_model
from tests import helpers
from tests.rows import finish, plan

DEMO = dataclasses.replace(PRESETS["demo"], bits=12)


@pytest.fixture(scope="module")
def digits():
    dataset = cifar.load("digits")
    return dataset, cifar.split(dataset.labels, "digits-1", 2000)


@pytest.fixture
def job(digits, tmp_path):
    return Job(Run(tmp_path), DEMO, *digits, {}, "cpu", {"framework": "torch"}, Progress())


def corrupted(count, value, bits=12):
    hash_logits = np.random.RandomState(0).standard_normal((1797, bits)).astype(np.float32)
    hash_logits[np.arange(count) * 3, 5] = value
    return hash_logits


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_codes_are_refused_with_a_count(digits, value):
    known = np.zeros(1797, np.int64)
    with pytest.raises(NotFinite, match=r"^312 of 1797 images have hash logits that are not finite; "):
        Codes.from_hash_logits(corrupted(312, value), known, *digits)
    unknown = np.where(np.arange(1797) < 4, NO_CLASS, known)
    with pytest.raises(NotFinite, match=r"^4 of 1797 images have logits that are not finite; "):
        Codes.from_hash_logits(corrupted(0, value), unknown, *digits)
    assert Codes.from_hash_logits(corrupted(0, value), known, *digits).zeros == 0


def test_there_is_no_class_where_logits_are_not_finite():
    logits = np.array([[1, 3, 3], [math.nan, 1, 0], [0, math.inf, 0], [-math.inf, 0, 1], [-1, -2, -3]], np.float32)
    assert predicted_classes(logits).tolist() == [1, NO_CLASS, NO_CLASS, NO_CLASS, 0]


def test_a_picture_without_finite_hash_logits_is_named_and_the_others_are_done():
    hash_logits = corrupted(2, math.nan)[:5]
    classifier = np.eye(10, 12, dtype=np.float32)
    outputs = Outputs.from_hash_logits(hash_logits, np.array([NO_CLASS, 1, 2, NO_CLASS, 4]), classifier)
    complete, problems = separate_problems(records(outputs, list("abcde"), str))
    assert [record["image"] for record in complete] == ["b", "c", "e"]
    assert [problem.split(";")[0] for problem in problems] == [f"{n}: its hash logits are not finite" for n in "ad"]
    assert all("NaN" not in line(record, as_json=True) for record in complete)
    with pytest.raises(ValueError, match="not JSON compliant"):
        line(complete[0] | {"margin": math.nan}, as_json=True)


def test_bounds_hold_for_every_activation():
    """A perceptron whose signs all agree reaches its bound; less than that, no image does."""
    layers = [Reach(10.0, 1.0), Reach(100.0, 0.0), Reach(1.0, 0.0)]
    assert not may_overflow(layers)
    assert may_overflow([Reach(1e20, 0.0), Reach(1e17, 0.0), Reach(1.0, 0.0)])
    assert may_overflow([Reach(1.0, 3e38), Reach(1.0, 0.0), Reach(1.0, 0.0)])
    assert may_overflow([Reach(1.0, 0.0), Reach(1.0, 0.0), Reach(math.inf, 0.0)])
    for odd in (math.nan, math.inf):
        assert may_overflow([Reach(odd, 0.0), Reach(0.0, 0.0), Reach(1.0, 0.0)])
    arrays = {
        "a.weight": np.array([[1.0, -2.0], [0.5, 0.5]]),
        "a.bias": np.array([0.1, -7.0]),
        "b.weight": np.ones((1, 2)),
    }
    assert reaches(arrays) == [Reach(3.0, 7.0), Reach(2.0, 0.0)]


@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_initial_weights_need_no_watching(preset):
    recipe = dataclasses.replace(PRESETS[preset], width=1 / 8)
    arrays = initial_weights(recipe, {})
    assert not may_overflow(reaches(arrays))
    assert may_overflow(reaches({name: array * np.float32(1e6) for name, array in arrays.items()}))


def test_a_network_that_may_overflow_is_not_exported(tmp_path):
    arrays = {name: array * np.float32(1e8) for name, array in initial_weights(DEMO, {}).items()}
    with pytest.raises(UserError, match="no activation can grow beyond float32"):
        write_model(None, "onnx", DEMO, arrays, (8, 8), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def pictures(folder):
    """Five pictures in ImageNet's mean colour, which the network takes for nothing, and five of black and white."""
    files = [folder / f"{n}.png" for n in range(10)]
    for n, file in enumerate(files):
        contrast = np.random.RandomState(n).randint(0, 2, (8, 8, 3)) * 255 if n % 2 else [124, 116, 104]
        Image.fromarray(np.full((8, 8, 3), contrast, np.uint8)).save(file)
    return files


@pytest.mark.slow_for("paddle")
def test_what_is_hidden_behind_a_relu_is_found_and_predict_does_the_others(framework, tmp_path):
    files, checkpoint = pictures(tmp_path), tmp_path / "w.safetensors"
    overflow = json.loads(helpers.child(framework, "overflow", framework, checkpoint, *files).stdout.splitlines()[-1])
    assert overflow["received"] == overflow["expected"] == [False, True] * 5
    done = helpers.worker(framework, "predict", "--checkpoint", checkpoint, "--json", "--image", *files, status=2)
    assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == list(map(str, files[::2]))
    named = [line.split(": its hash logits are not finite")[0] for line in done.stderr.splitlines()]
    assert named == [f"error: {file}" for file in files[1::2]]
    arguments = ("--checkpoint", checkpoint, "--data", "digits")
    refused = helpers.worker(framework, "eval", *arguments, status=2)
    assert " of 1797 images have hash logits that are not finite; " in refused.stderr
    assert '"map"' not in refused.stdout


def test_a_loss_that_is_not_finite_ends_training(job):
    with pytest.raises(Diverged, match=r"not finite in epoch 2 \(loss nan, cross-entropy 0.001, penalty 0.002\)"):
        job.mean_losses(2, [math.nan, 1.0, 2.0])
    assert job.mean_losses(2, [1.0, 2.0, 3.0]) == [0.001, 0.002, 0.003]
    with pytest.raises(Diverged, match=r"not finite in epoch 1 \(loss inf\)"):
        job.report_step(3, 1, np.float32(math.inf))
    job.report_step(4, 1, 1.0)
    with pytest.raises(Diverged):
        check_losses(1, loss=-math.inf)


def test_hash_logits_that_are_not_finite_end_training_when_an_epoch_is_scored(job):
    with pytest.raises(Diverged, match=r"^training diverged: 7 of 1797 images have hash logits that are not finite"):
        job.encode(lambda index: (corrupted(7, math.nan), np.zeros(len(index), np.int64)))


def prepare_diverging(folder, digits):
    """A run folder and initial weights for a training that cannot end well."""
    recipe = dataclasses.replace(
        DEMO, epochs=2, learning_rate=1000.0, data_sha256=digits[0].digest(), split_sha256=digits[1].digest()
    )
    Run(folder / "run").prepare(recipe)
    weights.save(folder / "w.safetensors", initial_weights(recipe, {}), {})
    return [
        "train",
        "--run",
        str(folder / "run"),
        "--data",
        "digits",
        "--initial-weights",
        str(folder / "w.safetensors"),
    ]


@pytest.mark.slow_for("torch")
def test_a_diverging_training_ends_in_a_line_and_the_suite_shows_it(framework, digits, tmp_path):
    arguments = prepare_diverging(tmp_path, digits)
    worker = Worker(framework, default_python(framework), threads=1)
    with pytest.raises(WorkerDied, match="training diverged: the loss is not finite in epoch 1") as caught:
        worker.run(arguments, tmp_path / "log", Progress())
    assert "exit status 3" in str(caught.value)
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not Run(tmp_path / "run").is_finished()
    assert Run(tmp_path / "run").log() == []


@pytest.mark.slow
def test_several_ranks_diverge_together(framework, digits, tmp_path):
    done = helpers.worker(framework, *prepare_diverging(tmp_path, digits), "--devices", 2, status=3)
    assert done.stderr.splitlines()[-1].startswith("error: training diverged: the loss is not finite in epoch 1 (loss ")
    assert "Traceback" not in done.stderr


def test_codes_that_cannot_tell_classes_apart_are_said_loudly():
    labels = np.arange(100) % 10
    numbers = np.arange(100)
    one, few, hardly, enough = (pack_codes((numbers % n)[:, None] >> np.arange(5) & 1) for n in (1, 9, 19, 20))
    assert collapsed(one, labels) == "collapsed: all 100 images have one and the same code"
    assert collapsed(few, labels) == "collapsed: 100 images of 10 classes have 9 different codes"
    assert collapsed(hardly, labels) == (
        "nearly collapsed: 100 images of 10 classes have 19 different codes, fewer than two a class"
    )
    assert collapsed(enough, labels) == ""
    assert collapsed(one, np.eye(10, dtype=np.int64)[labels]) != ""
    assert collapsed(one, np.zeros(100, np.int64)) != ""  # of one class, too
    assert collapsed(enough[:10], labels[:10]) == ""  # every image has a code of its own
    # rows of several classes: two of the classes, and four different rows
    rows = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])[numbers % 4]
    assert collapsed(pack_codes((numbers % 4)[:, None] >> np.arange(2) & 1), rows) == ""


def test_collapsed_runs_stand_under_the_table(tmp_path):
    plan(tmp_path, seeds=[1, 2, 3, 4])
    for seed, distinct in ((1, 1), (2, 9), (3, 19), (4, 20)):
        finish(tmp_path, dataclasses.replace(DEMO, seed=seed), "torch", 0.1, distinct_codes=distinct)
        finish(tmp_path, dataclasses.replace(DEMO, seed=seed), "paddle", 0.1)  # as older versions wrote it
    notes = [note for note in write_table(tmp_path).splitlines() if "collapsed" in note]
    assert notes == [
        "- PyTorch Lightning, 12 bits, seed 1: collapsed: all 60000 images have one and the same code.",
        "- PyTorch Lightning, 12 bits, seed 2: collapsed: 60000 images of 10 classes have 9 different codes.",
        "- PyTorch Lightning, 12 bits, seed 3: nearly collapsed: 60000 images of 10 classes have 19 different codes, "
        "fewer than two a class.",
    ]
