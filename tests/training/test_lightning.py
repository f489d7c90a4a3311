"""Lightning adds nothing of its own: its Trainer and a plain loop over the same module give the same bits."""

import pandas as pd
import pytest

from shared.checkpoint import weights
from shared.training.runs import Run
from tests import helpers


def test_trainer_equals_a_plain_loop(small_suite, tmp_path):
    run = Run(small_suite / "torch" / "bits12-seed2000")
    initial = small_suite / "init" / "bits12-seed2000.safetensors"
    helpers.child("torch", "plain_loop", run.recipe_file, initial, tmp_path / "plain.safetensors")
    plain, _ = weights.load(tmp_path / "plain.safetensors")
    assert weights.digest(plain) == run.result()["checkpoint_sha256"]
    assert weights.digest(plain) != run.result()["initial_weights_sha256"]


def test_lightnings_own_log_holds_the_numbers_of_ours(small_suite):
    run = Run(small_suite / "torch" / "bits12-seed2000")
    (file,) = run.lightning_folder.glob("*/metrics.csv")
    rows = pd.read_csv(file)
    assert len(rows) == len(run.log()) == 3
    for (_, row), record in zip(rows.iterrows(), run.log(), strict=True):
        assert row.epoch == row.step == record["epoch"]  # Lightning would count epochs from 0
        for name in ("loss", "cross_entropy", "penalty", "lr", "seconds", "accuracy"):
            assert row[name] == pytest.approx(record[name], rel=1e-5)  # float32 there
