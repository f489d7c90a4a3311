"""The ladder of a network with other hidden units, whose last pool leaves 3 x 3 pixels for 2 x 2."""

import dataclasses

import numpy as np
import pytest

from compare.ladder.run import run_rungs
from compare.ladder.rungs import rungs_called
from compare.ladder.session import LadderSession
from compare.ladder.setup import Setup, ladder_recipe, make_inputs
from shared.worker.probe import STAGE
from tests.ladder.tiny import BITS, TINY

OTHER_RUNGS = ("forward", "gradients", "exported")


@pytest.fixture(scope="module")
def other_sizes(workers, tmp_path_factory):
    """A session of a network with other hidden units, whose last pool leaves 3 x 3 pixels for 2 x 2."""
    recipe = dataclasses.replace(ladder_recipe(TINY, BITS), input_px=127, hidden_units=1024, pooled_px=2)
    return LadderSession(Setup(TINY, recipe, make_inputs(TINY, recipe)), workers, "cpu", tmp_path_factory.mktemp("o"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("side", ["paddle", "torch"])
def test_both_average_what_the_last_pool_leaves_as_numpy_does(side, dtype, other_sizes):
    """Windows of 3 x 3 pixels averaged to 2 x 2 overlap in the middle."""
    other_sizes.require(("float32", "float64"))
    answer = other_sizes.of(side, dtype)
    outputs = answer[STAGE + "pool5"].astype(np.float64)
    assert outputs.shape[2:] == (3, 3)
    means = [outputs[:, :, y : y + 2, x : x + 2].mean(axis=(2, 3)) for y in (0, 1) for x in (0, 1)]
    exact = np.stack(means, axis=2).reshape(len(outputs), -1)
    assert np.allclose(answer[STAGE + "flatten"], exact, rtol=1e-6 if dtype == "float32" else 1e-14, atol=0)


def test_other_hidden_units_and_pooled_pixels_pass(other_sizes):
    """Exported models among it, as their engines pool in ways of their own."""
    rows = run_rungs(other_sizes, rungs_called(OTHER_RUNGS))
    assert [(row["rung"], row["passed"]) for row in rows] == [(name, True) for name in OTHER_RUNGS]
