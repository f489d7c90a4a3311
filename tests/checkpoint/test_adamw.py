"""What AdamW remembers goes with a checkpoint, or is named where a form has no place for it; it is no momentum."""

import dataclasses

import numpy as np
import pytest

from compare.conversion import convert
from compare.conversion.inspection import inspect
from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import Checkpoint, read_checkpoint
from shared.checkpoint.moments import SECOND, STEPS, joined, separated
from shared.network.flops import training_memory, weight_bytes
from shared.system.errors import UserError
from tests.checkpoints import RECIPE, numbers, same

ADAMW = dataclasses.replace(RECIPE, optimizer="adamw", epochs=5)


@pytest.fixture
def trained():
    second = {name: np.abs(array) for name, array in numbers(3).items()}
    return Checkpoint(numbers(1), numbers(2), 2, 1e-3, second_moment=second, steps=64)


def equal(received, expected):
    assert same(received.weights, expected.weights)
    assert same(received.momentum, expected.momentum)
    assert same(received.second_moment, expected.second_moment)
    assert (received.steps, received.epoch) == (expected.steps, expected.epoch)


def test_the_neutral_form_and_lightnings_hold_all(trained, torch_writer, tmp_path):
    checkpoint.save(tmp_path / "a.safetensors", trained)
    equal(read_checkpoint(tmp_path / "a.safetensors"), trained)
    convert.write(tmp_path / "a.ckpt", trained, "ours", torch_writer)
    received = read_checkpoint(tmp_path / "a.ckpt")
    equal(received, trained)
    received.check_resumable(ADAMW, "a.ckpt")
    assert "(second moment, 64 steps)" in inspect(received)


@pytest.mark.parametrize("suffix", [".pdparams", ".pt"])
def test_other_forms_say_that_it_is_left_out(suffix, trained, torch_writer, tmp_path):
    target = tmp_path / f"a{suffix}"
    convert.write(target, trained, "ours", torch_writer)
    text = convert.summary(target, trained, "ours")
    assert "left out of the file, which has no place for it: momentum, second moment, steps" in text.replace(
        "epoch, learning rate, ", ""
    )
    received = read_checkpoint(target)
    assert (received.momentum, received.second_moment, received.steps) == (None, None, None)
    with pytest.raises(UserError, match="cannot go on from it, missing momentum"):
        received.check_resumable(ADAMW, "here")


def test_one_optimiser_does_not_go_on_from_another(trained):
    trained.check_resumable(ADAMW, "here")
    sgd = dataclasses.replace(trained, second_moment=None, steps=None)
    sgd.check_resumable(dataclasses.replace(RECIPE, epochs=5), "here")
    with pytest.raises(UserError, match=r"here: expected what AdamW remembers, as in recipe\.json, received what SGD"):
        sgd.check_resumable(ADAMW, "here")
    with pytest.raises(UserError, match="expected what SGD remembers"):
        trained.check_resumable(dataclasses.replace(RECIPE, epochs=5), "here")


@pytest.mark.parametrize("steps", [None, -1, 2**41, 1.5, "64", True])
def test_steps_that_are_none_are_no_state(steps, trained, tmp_path):
    checkpoint.save(tmp_path / "a.safetensors", dataclasses.replace(trained, steps=steps))
    if steps is None:
        received = read_checkpoint(tmp_path / "a.safetensors")
        assert (received.momentum, received.second_moment) == (None, None)
        assert "one alone is there" in received.left_out["momentum"]
        return
    with pytest.raises(UserError, match="steps: expected a plain value in range"):
        read_checkpoint(tmp_path / "a.safetensors")


def test_moments_are_one_dict_and_back(trained):
    moments = trained.moments
    assert moments.keys() == {*trained.weights, *(SECOND + name for name in trained.weights), STEPS}
    fields = separated(moments)
    assert fields["steps"] == 64
    assert same(joined(**{"second": fields.pop("second_moment"), **fields}), moments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernels": "shared"}, "kernels: expected the framework's own update with optimizer adamw"),
        ({"kernels": "native+sgd"}, r"give it back \(shared-sgd\), or use optimizer sgd"),
        ({"momentum": 1.0}, "momentum: expected at most 0.9999 with optimizer adamw"),
        ({"optimizer": "adam"}, "optimizer: expected sgd or adamw, received 'adam'"),
    ],
)
def test_what_adamw_does_not_have_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(ADAMW, **change)
    assert dataclasses.replace(ADAMW, kernels="shared-sgd").kernels == "shared-sgd"


def test_memory_counts_the_second_moment():
    assert training_memory(ADAMW) - training_memory(RECIPE) == weight_bytes(RECIPE)
