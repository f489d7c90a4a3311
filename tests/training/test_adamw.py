"""Training by AdamW: begun in one framework and ended in another, or after a pause in the same, it is one training."""

import dataclasses

import numpy as np
import pytest

from shared.checkpoint import weights
from shared.checkpoint.checkpoint import read_checkpoint
from shared.network.initial import initial_weights
from shared.training.runs import Run
from tests import helpers

# Norm of a parameter's difference, relative to what the last epoch changed of it; without the second moment, or with
# its bias corrected as in the first steps, it is 0.5 and more
TRAJECTORY_LIMIT = 0.1


def recipe_of(epochs):
    recipe = helpers.small_recipe(epochs=epochs, eval_every=0, width=1 / 32)
    return dataclasses.replace(recipe, optimizer="adamw", learning_rate=1e-3, weight_decay=0.01)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """The run of a framework to an epoch, begun where another ended if that is given; each is trained once."""
    folder, runs = tmp_path_factory.mktemp("adamw"), {}
    initial = folder / "initial.safetensors"
    weights.save(initial, initial_weights(recipe_of(1), {}), {})

    def run_of(framework, epochs, start=None):
        key = (framework, epochs, start)
        if key not in runs:
            run = Run(folder / "-".join(map(str, key)))
            run.prepare(recipe_of(epochs))
            more = ("--resume-from", run_of(start, 1).folder) if start else ()
            helpers.worker(
                *(framework, "train", "--run", run.folder, "--data", "digits", "--initial-weights", initial), *more
            )
            runs[key] = run
        return runs[key]

    return run_of


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        ("paddle", "torch"),
        pytest.param("torch", "paddle", marks=pytest.mark.slow),
    ],
)
def test_parts_in_two_frameworks_are_a_whole(begun, ended, run_of):
    joined, whole, first = (
        read_checkpoint(run.folder) for run in (run_of(ended, 2, begun), run_of(begun, 2), run_of(begun, 1))
    )
    assert 2 * first.steps == joined.steps == whole.steps == 2 * -(-recipe_of(1).num_train // recipe_of(1).batch_size)
    norm = np.linalg.norm
    for name, array in whole.weights.items():
        assert norm(joined.weights[name] - array) < TRAJECTORY_LIMIT * norm(array - first.weights[name]), name
    for name, array in whole.second_moment.items():
        assert norm(joined.second_moment[name] - array) < TRAJECTORY_LIMIT * norm(array), name


@pytest.mark.parametrize("side", ["paddle", pytest.param("torch", marks=pytest.mark.slow)])
def test_a_pause_changes_no_bit(side, run_of):
    joined, whole = (read_checkpoint(run.folder) for run in (run_of(side, 2, side), run_of(side, 2)))
    for name, array in whole.moments.items():
        assert np.array_equal(joined.moments[name], array), name
    assert all(np.array_equal(joined.weights[name], array) for name, array in whole.weights.items())
