"""The arrays of an epoch go to the device once, and are the same there as on the host."""

import json

import pytest

from shared.checkpoint import weights
from shared.network.initial import initial_weights
from shared.training.runs import Run
from tests import helpers


@pytest.mark.parametrize("dropout", ["shared", pytest.param("native", marks=pytest.mark.slow)])
def test_no_step_crosses_from_or_to_the_host(dropout, framework, tmp_path):
    """Twice as many steps an epoch make no call more that would, on a GPU, wait for the host or copy."""
    traffic = []
    for batch_size in (64, 32):
        folder = tmp_path / str(batch_size)
        recipe = helpers.small_recipe(batch_size=batch_size, width=1 / 32, epochs=2, eval_every=0, dropout=dropout)
        Run(folder).prepare(recipe)
        weights.save(folder / "initial.safetensors", initial_weights(recipe, {}), {})
        words = ("--run", folder, "--data", "digits", "--initial-weights", folder / "initial.safetensors")
        done = helpers.child(framework, "host_traffic", framework, "train", *words)
        traffic.append(json.loads(done.stdout.splitlines()[-1]))
    assert traffic[0] == traffic[1]
    assert sum(traffic[0].values()) > 4  # the images, the order and the losses


def test_masks_on_the_device_are_those_of_the_host(framework):
    """Units that fill no whole byte, and a last batch that is smaller."""
    assert helpers.child(framework, "device_batches", framework).stdout.splitlines()[-1] == "7 batches are the same"
