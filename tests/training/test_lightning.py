"""Lightning adds nothing of its own: its Trainer and a plain loop over the same module give the same bits."""

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
