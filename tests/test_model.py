"""Both networks compute the same outputs, losses and gradients, and NumPy agrees where a closed form exists."""

import dataclasses

import numpy as np
import pytest

from shared import cifar, pixels, weights
from shared.files import write_json
from shared.randomness import dropout_mask
from shared.recipe import PRESETS, hidden_units, parameters, pooled_units
from tests import helpers

RECIPE = dataclasses.replace(PRESETS["demo"], bits=24)
BATCH = 16


@pytest.fixture(scope="module")
def inputs():
    dataset = cifar.load("digits")
    arrays = weights.initial_weights(RECIPE, {})
    arrays["hash.weight"][3], arrays["hash.bias"][3] = 0, 0  # a feature of exactly 0 in every image
    masks = {
        "mask6": dropout_mask(1, 0, 0, (BATCH, pooled_units(RECIPE))),
        "mask7": dropout_mask(1, 0, 1, (BATCH, hidden_units(RECIPE))),
    }
    batch = pixels.normalise(pixels.upsample(dataset.pixels[:BATCH], RECIPE.input_px))
    return arrays, {"pixels": batch, "labels": dataset.labels[:BATCH], **masks}


@pytest.fixture(scope="module")
def facts(inputs, tmp_path_factory):
    cache = {}

    def of(framework):
        if framework not in cache:
            folder = tmp_path_factory.mktemp(framework)
            write_json(folder / "recipe.json", dataclasses.asdict(RECIPE))
            np.savez(folder / "in.npz", **inputs[0], **inputs[1])
            helpers.child("gradients", framework, folder / "recipe.json", folder / "in.npz", folder / "out.npz")
            with np.load(folder / "out.npz") as out:
                cache[framework] = dict(out)
        return cache[framework]

    return of


def relative(a, b):
    assert a.shape == b.shape
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()
    return np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)


def test_weights_go_in_and_out_unchanged(framework, facts, inputs):
    for parameter in parameters(RECIPE):
        assert facts(framework)[f"neutral.{parameter.name}"].tobytes() == inputs[0][parameter.name].tobytes()


def test_outputs_agree(facts):
    torch, paddle = facts("torch"), facts("paddle")
    for name in ("feature", "logits", "loss", "cross_entropy", "penalty"):
        assert relative(paddle[name], torch[name]) < 1e-5, name
    assert np.array_equal(paddle["code"], torch["code"])


def test_gradients_agree(facts):
    torch, paddle = facts("torch"), facts("paddle")
    names = [f"gradient.{p.name}" for p in parameters(RECIPE)]
    assert {n for n in torch if n.startswith("gradient.")} == set(names)
    for name in names:
        # float32: one ReLU or max-pool decision that falls the other way moves a gradient by about 1e-2
        assert relative(paddle[name], torch[name]) < 2e-2, name
        assert np.abs(torch[name]).max() > 0, name


def test_code_is_the_sign_and_zero_at_zero(framework, facts):
    feature, code = facts(framework)["feature"], facts(framework)["code"]
    assert np.array_equal(code, np.sign(feature))
    assert not feature[:, 3].any()
    assert not code[:, 3].any()


def test_losses_equal_their_definition(framework, facts, inputs):
    got, labels = facts(framework), inputs[1]["labels"]
    logits, feature = got["logits"].astype(np.float64), got["feature"].astype(np.float64)
    log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    cross_entropy = -log_softmax[np.arange(BATCH), labels].mean()
    penalty = (np.abs(np.abs(feature) - 1) ** 3).mean()
    assert float(got["cross_entropy"]) == pytest.approx(cross_entropy, rel=1e-5)
    assert float(got["penalty"]) == pytest.approx(penalty, rel=1e-5)
    assert float(got["loss"]) == pytest.approx(cross_entropy + 0.1 * penalty, rel=1e-5)


def test_gradient_passes_the_sign_unchanged(framework, facts, inputs):
    """dL/dh = dL/dcode + the penalty's own gradient, also where h is exactly 0."""
    got, arrays, labels = facts(framework), inputs[0], inputs[1]["labels"]
    logits, h = got["logits"].astype(np.float64), got["feature"].astype(np.float64)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    through = (softmax - np.eye(10)[labels]) / BATCH @ arrays["classifier.weight"]
    own = 0.1 * 3 * (np.abs(h) - 1) ** 2 * np.sign(np.abs(h) - 1) * np.sign(h) / h.size
    assert relative(got["feature_gradient"], through + own) < 1e-5
    assert np.abs(through[:, 3]).min() > 0
