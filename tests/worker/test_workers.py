"""The workers as commands: the same keys on both sides, verbs that agree with each other, exact resuming."""

import json
import os
import signal
import subprocess

import numpy as np
import pytest

from compare.frameworks.worker import default_python
from shared.checkpoint import weights
from shared.codes.codes import Codes
from shared.network.initial import initial_weights
from shared.system.start import ENDS_WITH_STDIN
from shared.training.runs import Run
from tests import helpers
from tests.helpers import BLOCKING, check_same_numbers, wait_until


def test_outputs_have_the_same_keys(small_suite):
    folders = [small_suite / name / "bits12-seed2000" for name in ("torch", "paddle")]
    for file in ("environment.json", "result.json", "recipe.json"):
        first, second = (json.loads((folder / file).read_text()) for folder in folders)
        assert first.keys() == second.keys()
    assert [r.keys() for r in Run(folders[0]).log()] == [r.keys() for r in Run(folders[1]).log()]


def test_environment_is_recorded(framework, small_suite):
    environment = json.loads((small_suite / framework / "bits12-seed2000" / "environment.json").read_text())
    assert environment["framework"] == framework
    assert environment["device"] == "cpu"
    assert environment["threads"] == environment["framework_threads"] == 1
    assert any(version for name, version in environment["packages"].items() if name.startswith(framework))
    assert environment["precision"]["dtype"] == "float32"
    assert environment["variables"]["NVIDIA_TF32_OVERRIDE"] == "0"


def test_every_parameter_was_trained(framework, small_suite):
    before, _ = weights.load(small_suite / "init" / "bits12-seed2000.safetensors")
    after, _ = weights.load(small_suite / framework / "bits12-seed2000" / "checkpoint.safetensors")
    assert before.keys() == after.keys()
    assert all(not np.array_equal(before[name], after[name]) for name in before)


def test_log_holds_the_rate_and_the_loss_terms(framework, small_suite):
    run = Run(small_suite / framework / "bits12-seed2000")
    log, recipe = run.log(), run.recipe()
    assert [record["epoch"] for record in log] == [1, 2, 3]
    for record in log:
        assert record["lr"] == pytest.approx(recipe.learning_rate_at(record["epoch"]), rel=1e-6)
        assert record["loss"] == pytest.approx(record["cross_entropy"] + 0.1 * record["penalty"], rel=1e-6)
    assert log[-1]["loss"] < log[0]["loss"]


@pytest.mark.slow_for("paddle")
def test_eval_and_encode_reproduce_the_result(framework, small_suite, tmp_path):
    run = Run(small_suite / framework / "bits12-seed2000")
    source = ["--checkpoint", run.checkpoint_file, "--data", "digits"]
    scores = json.loads(helpers.worker(framework, "eval", *source).stdout.splitlines()[-1])
    assert scores["map"] == run.result()["map_last"]
    assert scores["accuracy"] == run.result()["accuracy"]
    helpers.worker(framework, "encode", *source, "--out", tmp_path / "codes.npz")
    first, second = Codes.load(tmp_path / "codes.npz"), Codes.load(run.codes_file)
    assert all(np.array_equal(a, b) for a, b in zip(vars(first).values(), vars(second).values(), strict=True))


def test_either_worker_reads_the_others_checkpoint(framework, small_suite, tmp_path):
    other = {"torch": "paddle", "paddle": "torch"}[framework]
    run = Run(small_suite / other / "bits12-seed2000")
    out = tmp_path / "codes.npz"
    helpers.worker(framework, "encode", "--checkpoint", run.checkpoint_file, "--data", "digits", "--out", out)
    here, there = Codes.load(out), Codes.load(run.codes_file)
    differing = (here.codes != there.codes).sum()
    assert np.abs(here.margin - there.margin).max() < 1e-4 * there.margin.max()
    assert differing <= (there.margin < 1e-4 * there.margin.max()).sum()


def test_info_describes_a_checkpoint(framework, small_suite):
    run = Run(small_suite / framework / "bits12-seed2000")
    info = json.loads(helpers.worker(framework, "info", "--checkpoint", run.checkpoint_file).stdout.splitlines()[-1])
    assert info["checkpoint"]["framework"] == framework
    assert info["checkpoint"]["epoch"] == 3
    assert info["checkpoint"]["sha256"] == run.result()["checkpoint_sha256"]


def test_other_images_than_the_recipes_are_refused(framework, small_suite, fake_cifar):
    checkpoint = small_suite / framework / "bits12-seed2000" / "checkpoint.safetensors"
    done = helpers.worker(framework, "eval", "--checkpoint", checkpoint, "--data", fake_cifar[0], status=2)
    assert "expected the images the recipe was made for" in done.stderr


def test_foreign_checkpoint_is_refused(framework, small_suite):
    initial = small_suite / "init" / "bits12-seed2000.safetensors"
    done = helpers.worker(framework, "eval", "--checkpoint", initial, "--data", "digits", status=2)
    assert "expected a checkpoint that carries its recipe" in done.stderr


def test_missing_framework_is_one_line(framework, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKING.format(framework=framework))
    done = helpers.worker(framework, "info", status=2, environment={"PYTHONPATH": tmp_path})
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be imported by" in done.stderr


def test_cuda_without_a_gpu_is_refused(framework):
    if json.loads(helpers.worker(framework, "info").stdout.splitlines()[-1])["gpu"]:
        pytest.skip("this machine has a GPU")
    (line,) = helpers.worker(framework, "info", "--device", "cuda", status=2).stderr.splitlines()
    assert ", found none (P" in line
    assert line.endswith("); use --device cpu")


def start_training(framework, folder, initial, **variables):
    command = [default_python(framework), "-m", f"{framework}_impl", "train", "--run", folder, "--data", "digits"]
    command += ["--initial-weights", initial]
    return subprocess.Popen(
        list(map(str, command)),
        env=helpers.ENVIRONMENT | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow_for("paddle")
@pytest.mark.parametrize("epochs_before_the_kill", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_killed_training_resumes_to_the_same_numbers(framework, small_suite, tmp_path, epochs_before_the_kill):
    whole = Run(small_suite / framework / "bits12-seed2000")
    initial = small_suite / "init" / "bits12-seed2000.safetensors"
    run = Run(tmp_path)
    run.prepare(whole.recipe())
    process = start_training(framework, tmp_path, initial)
    ready = lambda: len(run.log()) >= epochs_before_the_kill and run.environment_file.exists()  # noqa: E731
    wait_until(ready)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not run.is_finished()
    assert start_training(framework, tmp_path, initial).wait() == 0
    check_same_numbers(run, whole)


@pytest.mark.slow_for("paddle")
def test_native_dropout_resumes_to_the_same_numbers_too(framework, tmp_path):
    recipe = helpers.small_recipe(epochs=3, eval_every=1, width=1 / 32, dropout="native")
    initial = tmp_path / "initial.safetensors"
    weights.save(initial, initial_weights(recipe, {}), {})
    whole, run = Run(tmp_path / "whole"), Run(tmp_path / "killed")
    for one in (whole, run):
        one.prepare(recipe)
    assert start_training(framework, whole.folder, initial).wait() == 0
    process = start_training(framework, run.folder, initial)
    wait_until(lambda: len(run.log()) >= 1)
    process.kill()
    process.wait()
    assert start_training(framework, run.folder, initial).wait() == 0
    check_same_numbers(run, whole)


def test_worker_ends_when_its_parent_is_gone(framework, small_suite, tmp_path):
    run = Run(tmp_path)
    run.prepare(Run(small_suite / framework / "bits12-seed2000").recipe())
    initial = small_suite / "init" / "bits12-seed2000.safetensors"
    process = start_training(framework, tmp_path, initial, **{ENDS_WITH_STDIN: "1"})
    wait_until(run.environment_file.exists)
    os.close(process.stdin.fileno())
    process.stdin = None
    assert process.wait(timeout=60) == 1
    assert not run.is_finished()
