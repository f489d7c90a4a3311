"""Precision and determinism: pinned before the framework is imported, recorded, and refused where they do not exist."""

import ast
import dataclasses
import json

import pytest

from shared.config.recipe import PRESETS
from shared.training.runs import Run
from tests import helpers

# the same words in both, but Paddle computes in bfloat16 on a GPU only
DTYPES = {"torch": "torch.bfloat16", "paddle": "paddle.float32"}


def test_autocast_is_bfloat16_where_the_framework_has_it(framework):
    for precision, dtype in (("fp32", DTYPES[framework].replace("bfloat16", "float32")), ("bf16", DTYPES[framework])):
        first, _ = helpers.child(framework, "autocast", framework, precision).stdout.splitlines()
        assert first.split() == [dtype, precision]


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_every_switch_for_tf32_is_as_the_precision_says(precision, framework):
    _, switches = helpers.child(framework, "autocast", framework, precision).stdout.splitlines()
    switches = ast.literal_eval(switches)
    assert set(switches.values()) <= {precision == "tf32"}
    assert framework == "paddle" or len(switches) == 2  # Paddle for the CPU has none


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_precision_of_gpus_is_refused_on_a_cpu(precision, framework, tmp_path):
    Run(tmp_path).prepare(dataclasses.replace(PRESETS["demo"], precision=precision))
    source = ["--data", "digits", "--initial-weights", "any"]
    done = helpers.worker(framework, "train", "--run", tmp_path, *source, "--device", "cpu", status=2)
    assert done.stderr.startswith(f"error: precision {precision}: expected a GPU")


@pytest.mark.slow
def test_deterministic_run_is_recorded_and_gives_the_same_bits(framework, small_suite, tmp_path):
    whole = Run(small_suite / framework / "bits12-seed2000")
    Run(tmp_path).prepare(whole.recipe())
    initial = small_suite / "init" / "bits12-seed2000.safetensors"
    source = ["--data", "digits", "--initial-weights", initial]
    helpers.worker(framework, "train", "--run", tmp_path, *source, "--deterministic")
    helpers.check_same_numbers(Run(tmp_path), whole)
    environment = json.loads(Run(tmp_path).environment_file.read_text())
    assert environment["precision"]["deterministic"] is True
    assert environment["precision"]["precision"] == "fp32"
    assert environment["variables"]["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.slow
def test_suite_takes_both_options(small_suite, tmp_path):
    refused = helpers.benchmark("--out", tmp_path, *helpers.SMALL, "--precision", "bf16", "--device", "cpu", status=2)
    assert refused.stderr.splitlines()[-1].startswith("error: precision bf16: expected a GPU")
    options = ("--frameworks", "torch", "--epochs", "1", "--deterministic")
    helpers.benchmark("--out", tmp_path, *helpers.SMALL_BUT_EPOCHS, *options)
    run = Run(tmp_path / "torch" / "bits12-seed2000")
    assert json.loads(run.environment_file.read_text())["precision"]["deterministic"] is True
    assert "shared dropout masks, fp32, 64 px" in (tmp_path / "table.md").read_text()


def test_flags_of_paddle_are_set_read_back_and_refused_where_they_are_missing():
    if not helpers.is_installed("paddle"):
        pytest.skip("paddle is not installed")
    found = json.loads(helpers.child("paddle", "paddle_flags").stdout.splitlines()[-1])
    compatible, deterministic = "FLAGS_use_accuracy_compatible_kernel", "FLAGS_cudnn_deterministic"
    if compatible in found["recorded"]:  # Paddle 3.3
        assert found["of this build, asked for"][compatible] is True
        assert found["recorded"][compatible] is True
        assert found["of this build, not asked for"][compatible] is False
    tf32 = {"FLAGS_cudnn_allow_tf32": False, "FLAGS_cublas_allow_tf32": False}
    assert found["fp32"] == {**tf32, deterministic: False, compatible: False}
    assert found["tf32, deterministic"] == {**dict.fromkeys(tf32, True), deterministic: True, compatible: False}
    assert found["stuck"].startswith("FLAGS_cudnn_allow_tf32: expected False, as it was set, but PaddlePaddle has True")
    assert found["old"] == found["old, deterministic on a CPU"] == {}
    assert found["old, deterministic"].startswith(f"{deterministic}: expected a PaddlePaddle that has this flag, ")
    assert "leave --deterministic out" in found["old, deterministic"]
    assert found["old, compatible"].startswith(f"{compatible}: expected a PaddlePaddle that has this flag, ")
    assert f"unset {compatible}" in found["old, compatible"]
