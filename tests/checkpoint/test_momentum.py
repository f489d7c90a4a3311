"""What a file says of the training beside its weights: momentum by the parameters' names, and only whole epochs."""

import dataclasses

import numpy as np
import pytest

from compare.conversion.inspection import inspect
from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import read_checkpoint
from shared.checkpoint.names import parameter_names
from shared.checkpoint.paddle_files import paddle_names
from shared.system.errors import UserError
from tests import helpers
from tests.checkpoints import PADDLE, RECIPE, pickled, same


def momentum_of(path):
    return read_checkpoint(path).momentum


@pytest.mark.parametrize("name", ["named", "swapped", "shorter"])
def test_momentum_goes_by_name(name, foreign, original):
    """The child gave parameter k the gradient k."""
    loaded = momentum_of(foreign / f"{name}.ckpt")
    assert {name: np.unique(array).tolist() for name, array in loaded.items()} == {
        name: [float(k)] for k, name in enumerate(original.weights)
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unnamed", "order unknown"),
        ("frozen", "15 of 17 parameters"),
        ("frozen_unnamed", "15 of the file's 17"),
        ("groups", "2 groups of parameters"),
        ("plain", "without momentum"),
        ("adam", "keeps exp_avg, exp_avg_sq, step"),
        ("misnamed", "17 of 17 parameters, or others"),
        ("two_optimizers", "2 optimisers"),
        ("untouched", "taken no step"),
        ("ours_by_no_mark", "order unknown"),
        ("ours_reordered", "order unknown"),
    ],
)
def test_momentum_that_cannot_be_used_is_left_out(name, reason, foreign, original):
    loaded = read_checkpoint(foreign / f"{name}.ckpt")
    assert same(loaded.weights, original.weights)
    assert loaded.epoch
    assert loaded.momentum is None
    assert reason in loaded.left_out["momentum"]
    with pytest.raises(UserError, match="missing momentum") as error:
        loaded.check_resumable(dataclasses.replace(RECIPE, epochs=5), "file")
    assert reason in str(error.value)


@pytest.mark.parametrize("rate", [float("nan"), -1.0, "0.1", None])
def test_a_rate_that_is_none_is_told(rate, tmp_path):
    pickled(tmp_path / "m.pdparams", PADDLE)
    pickled(tmp_path / "m.pdopt", {"LR_Scheduler": {"last_epoch": 2, "last_lr": rate}})
    loaded = read_checkpoint(tmp_path / "m.pdparams")
    assert (loaded.learning_rate, loaded.epoch) == (None, 2)
    expected = "" if rate is None else f"expected a number, 0 or more, received {'str' if rate == '0.1' else rate}"
    assert loaded.left_out.get("learning rate", "") == expected
    assert f"rate       {expected or 'not in the file'}" in inspect(loaded)


def test_a_rate_of_lightning_that_is_none_is_told(foreign):
    loaded = read_checkpoint(foreign / "no_rate.ckpt")
    assert loaded.learning_rate is None
    assert loaded.momentum
    assert loaded.left_out["learning rate"] == "expected a number, 0 or more, received nan"


def test_a_table_of_names_that_are_none(tmp_path):
    pickled(tmp_path / "m.pdparams", PADDLE | {"StructuredToParameterName@@": {("a",): "linear_0.w_0"}})
    pickled(tmp_path / "m.pdopt", {"linear_0.w_0_velocity_0": np.zeros(1, np.float32)})
    assert "momentum" in read_checkpoint(tmp_path / "m.pdparams").left_out


@pytest.mark.parametrize("name", ["ours_before_names", "ours_trained"])
def test_own_files_from_before_the_names(name, foreign, original):
    assert same(momentum_of(foreign / f"{name}.ckpt"), original.momentum)


EPOCHS_OF_MOMENTS = {
    "begin-0": None,
    "epoch_begins-0": None,
    "before_batch0-0": None,
    "after_batch0-0": "after 1 batch of epoch 1",
    "before_batch2-0": "after 2 of 3 batches of epoch 1",
    "after_batch2-0": 1,
    "validated-0": 1,
    "epoch_ends-0": 1,
    "epoch_begins-1": 1,
    "before_batch0-1": 1,
    "after_batch0-1": "after 1 of 3 batches of epoch 2",
    "after_batch1-1": "after 2 of 3 batches of epoch 2",
    "after_batch2-1": 2,
    "validated-1": 2,
    "epoch_ends-1": 2,
    "end-2": 2,
    "stopped": "after 1 of 3 batches of epoch 2",
}


def test_moments_at_which_lightning_writes(foreign, tmp_path):
    helpers.child("torch", "lightning_moments", foreign / "neutral.safetensors", tmp_path)
    for moment, expected in EPOCHS_OF_MOMENTS.items():
        loaded = read_checkpoint(tmp_path / f"{moment}.ckpt")
        inside = isinstance(expected, str)
        assert loaded.epoch == (None if inside else expected), moment
        if inside:
            assert loaded.left_out["epoch"] == f"in mid-epoch: {expected}", moment
            assert f"in mid-epoch: {expected}" in inspect(loaded)
            with pytest.raises(UserError, match=r"missing epoch \(in mid-epoch"):
                loaded.check_resumable(dataclasses.replace(RECIPE, epochs=5), "file")


def adam(table, arrays):
    return {f"{table[n]}_moment{i}_0": np.zeros_like(a) for n, a in arrays.items() for i in (1, 2)}


def velocities(table, arrays):
    return {f"{table[n]}_velocity_0": np.full_like(a, k) for k, (n, a) in enumerate(arrays.items())}


@pytest.mark.parametrize(
    ("state", "table", "reason"),
    [
        (velocities, True, None),
        (adam, True, "linear_0.w_0_moment1_0|conv2d_0.w_0_moment1_0 and 33 more, no velocity"),
        (lambda table, arrays: velocities(table, arrays) | adam(table, arrays), True, "no velocity"),
        (lambda table, arrays: dict(list(velocities(table, arrays).items())[2:]), True, "15 of 17 parameters"),
        (
            velocities,
            False,
            "no velocity of paddle.optimizer.Momentum for a parameter that StructuredToParameterName@@",
        ),
    ],
)
def test_paddle_optimizers(state, table, reason, original, tmp_path):
    kinds = {p: checkpoint.KINDS[n] for n, p in parameter_names("paddle_greedyhash").items()}
    names = paddle_names(kinds)
    arrays = {name: PADDLE[name] for name in kinds}
    pickled(tmp_path / "m.pdparams", arrays | ({"StructuredToParameterName@@": names} if table else {}))
    pickled(tmp_path / "m.pdopt", state(names, arrays) | {"LR_Scheduler": {"last_epoch": 2, "last_lr": 0.1}})
    loaded = read_checkpoint(tmp_path / "m.pdparams")
    assert same(loaded.weights, original.weights)
    assert loaded.epoch == 2
    if reason:
        assert loaded.momentum is None
        assert any(part in loaded.left_out["momentum"] for part in reason.split("|"))
    else:
        assert [array.flat[0] for array in loaded.momentum.values()] == list(range(17))
