"""The checkpoint of a finished run is the state of the live network and optimiser: that of its own resume file."""

import dataclasses

import numpy as np
import pytest

from shared.checkpoint import checkpoint, weights
from shared.checkpoint.checkpoint import read_checkpoint
from shared.network.initial import initial_weights
from shared.training.runs import Run
from tests import helpers

EPOCHS = 2
RESUME_FILES = {"torch": "last.ckpt", "paddle": "last.safetensors"}


@pytest.mark.slow_for("paddle")
def test_checkpoint_is_the_state_after_the_last_epoch(framework, tmp_path):
    """A run that ends between its checkpoint and its result leaves both; the same command makes the same again."""
    run, initial = Run(tmp_path / "run"), tmp_path / "initial.safetensors"
    # the rate of the last epoch is not the one that an optimiser begins with
    recipe = helpers.small_recipe(epochs=EPOCHS, eval_every=0, lr_drop_epoch=1, width=1 / 32)
    run.prepare(recipe)
    weights.save(initial, initial_weights(recipe, {}), {})
    arguments = ("train", "--run", run.folder, "--data", "digits", "--initial-weights", initial)
    run.queries_file.mkdir()  # no file can take this place
    assert "queries.csv" in helpers.worker(framework, *arguments, status=2).stderr
    written = run.checkpoint_file.read_bytes()

    saved = read_checkpoint(run.resume_folder / RESUME_FILES[framework])
    assert saved.epoch == EPOCHS
    assert saved.learning_rate == recipe.learning_rate_at(EPOCHS) != recipe.learning_rate_at(1)
    assert all(np.abs(array).max() > 0 for array in saved.momentum.values())
    origin = {"recipe": run.recipe_file.read_text(), "framework": framework}
    checkpoint.save(tmp_path / "expected.safetensors", dataclasses.replace(saved, **origin))
    assert written == (tmp_path / "expected.safetensors").read_bytes()

    run.queries_file.rmdir()
    helpers.worker(framework, *arguments)
    assert run.checkpoint_file.read_bytes() == written
    assert len(run.log()) == EPOCHS
    assert run.result()["checkpoint_sha256"] == weights.digest(saved.weights)
