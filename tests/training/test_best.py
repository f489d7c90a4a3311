"""--keep-best: the weights of the best-scoring epoch are kept beside the last, through kills, and say what they are."""

import json

import numpy as np
import pytest

from compare.conversion.inspection import inspect
from shared.checkpoint import weights
from shared.checkpoint.checkpoint import Checkpoint, read_checkpoint
from shared.network.initial import initial_weights
from shared.training.best import CHOSEN, best_epoch, finish_best, forget_after, keep_if_best
from shared.training.runs import Run
from tests import helpers
from tests.checkpoints import numbers
from tests.rows import EPOCH

SCORE = {"worst": 0.0, "best": 1.0, "stable": 0.5, "argsort": None}
ORIGIN = {"recipe": "{}", "framework": "torch"}


def recipe_of(epochs):
    return helpers.small_recipe(epochs=epochs, eval_every=1, width=1 / 32)


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    run.prepare(recipe_of(5))
    return run


def train(run, *scores, first=1):
    """Epochs with these scores, None where not scored; the weights of an epoch are drawn from its number."""
    for epoch, score in enumerate(scores, first):
        scored = {} if score is None else {"map": SCORE | {"expected": score}, "accuracy": 0.5, "encode_seconds": 1.0}
        run.append_log(EPOCH | {"epoch": epoch} | scored)
        if score is not None:
            keep_if_best(run, epoch, lambda epoch=epoch: Checkpoint(numbers(epoch), numbers(0), epoch, 0.1), ORIGIN)


def kept(run):
    return sorted(path.name for path in run.resume_folder.glob("*"))


def check(run, epoch):
    best = read_checkpoint(run.best_file)
    assert (best.epoch, best.chosen, best.framework) == (epoch, CHOSEN, "torch")
    assert best.weights["fc6.bias"].tobytes() == numbers(epoch)["fc6.bias"].tobytes()
    assert f"chosen     {CHOSEN}" in inspect(best)


@pytest.mark.parametrize(
    ("scores", "epoch"), [((0.3, 0.5, 0.4), 2), ((0.5, 0.5), 1), ((0.1, None, 0.2), 3), ((0.7, 0.6, 0.65), 1)]
)
def test_the_first_epoch_of_the_highest_score_is_kept(run, scores, epoch):
    train(run, *scores)
    assert best_epoch(run.log()) == epoch
    assert finish_best(run) is None
    check(run, epoch)
    assert finish_best(run) is None  # as after a kill before the result was written
    check(run, epoch)


def test_little_is_kept_at_once(run):
    train(run, 0.1, 0.2, 0.3, 0.4, 0.2)
    assert kept(run) == ["best-4.safetensors"]


def test_a_kill_before_the_state_was_saved_loses_no_best_epoch(run):
    """The state is that after epoch 2; epoch 3 was recorded and scored best, and scores less when trained again."""
    train(run, 0.1, 0.3, 0.4)
    forget_after(run, 2)
    run.rewind_log(2)
    assert kept(run) == ["best-2.safetensors"]
    train(run, 0.2, first=3)
    assert finish_best(run) is None
    check(run, 2)


def test_a_run_that_begins_anew_keeps_nothing_of_before(run):
    train(run, 0.9, 0.3)
    forget_after(run, 0)
    run.rewind_log(0)
    assert kept(run) == []
    train(run, 0.1)
    assert finish_best(run) is None
    check(run, 1)


def test_a_best_epoch_before_it_was_asked_for_is_told(run):
    run.append_log(EPOCH | {"epoch": 1, "map": SCORE | {"expected": 0.9}, "accuracy": 0.5, "encode_seconds": 1.0})
    train(run, 0.5, first=2)
    assert finish_best(run) == "--keep-best: epoch 1 scored best, before it was asked for: its weights were not kept"
    assert not run.best_file.exists()


def test_what_is_replaced_goes(run):
    train(run, 0.5)
    finish_best(run)
    run.prepare(recipe_of(4), force=True)
    assert not run.best_file.exists()


@pytest.mark.slow_for("torch")
def test_its_score_is_the_best_of_the_log(framework, tmp_path):
    run, initial = Run(tmp_path / "run"), tmp_path / "initial.safetensors"
    run.prepare(recipe_of(3))
    weights.save(initial, initial_weights(recipe_of(3), {}), {})
    options = ("--data", "digits", "--initial-weights", initial, "--keep-best")
    helpers.worker(framework, "train", "--run", run.folder, *options)
    result, best = run.result(), read_checkpoint(run.best_file)
    assert (best.epoch, best.chosen) == (result["best_epoch"], CHOSEN)
    assert not run.resume_folder.exists()
    last = read_checkpoint(run.checkpoint_file)
    assert (best.epoch == last.epoch) == all(np.array_equal(last.weights[n], a) for n, a in best.weights.items())
    done = helpers.worker(framework, "eval", "--checkpoint", run.best_file, "--data", "digits")
    assert json.loads(done.stdout.splitlines()[-1])["map"]["expected"] == result["map_best"]["expected"]
