"""Both frameworks compute the same gradients: one batch, one straight-through sign, float64, all parameters.

The `probe` verb of each worker takes the same weights, pixels, labels and dropout masks from a file and writes every
gradient into another. In float64 nothing but rounding can differ, so the limit is 1e-12 of each gradient's scale.
"""

import numpy as np
import pytest

from compare.ladder.setup import Scale, ladder_recipe, make_inputs
from shared.network.alexnet import parameters
from shared.worker.probe import Request
from tests import helpers

SCALE = Scale("gradients", width=1 / 8, input_px=64, batch=16, strict_steps=1, steps=1)
RECIPE = ladder_recipe(SCALE, bits=24)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gradients")
    Request(RECIPE, "float64", ("gradients",)).save(folder / "request.npz", make_inputs(SCALE, RECIPE))
    for framework in ("torch", "paddle"):
        helpers.worker(framework, "probe", folder / "request.npz", "--out", folder / framework)
    return {name: dict(np.load(folder / name / "request.npz")) for name in ("torch", "paddle")}


@pytest.mark.parametrize("name", [*(p.name for p in parameters(RECIPE)), "feature", "pixels"])
def test_gradients_are_the_same(name, answers):
    torch, paddle = (answers[framework][f"gradient.{name}"] for framework in ("torch", "paddle"))
    assert torch.shape == paddle.shape
    assert torch.dtype == paddle.dtype == np.float64
    scale = np.abs(torch).max()
    assert scale > 0
    assert np.abs(torch - paddle).max() <= 1e-12 * scale


def test_losses_are_the_same(answers):
    for name in ("loss", "cross_entropy", "penalty"):
        assert answers["torch"][name] == pytest.approx(answers["paddle"][name], rel=1e-13)


def test_gradient_reaches_the_network_through_the_sign(answers):
    """Without the straight-through rule the loss could not reach a bit whose feature is exactly 0."""
    for answer in answers.values():
        at_zero = answer["feature"] == 0
        assert at_zero.any()
        assert np.abs(answer["gradient.feature"][at_zero]).min() > 0
