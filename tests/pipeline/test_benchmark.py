"""``compare/benchmark.py`` as a user runs it: the demo learns, suites are kept and resumed, bad input is refused."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from compare.benchmark import main
from compare.pipeline import run
from compare.suite.run_folders import finished_runs
from shared.config.recipe import PRESETS
from shared.training.runs import Run
from tests import helpers
from tests.helpers import check_same_numbers, wait_until
from tests.ladder.tiny import TINY

# for trainings whose scores no test looks at
NARROW = ("--set", "width=0.03125")
PADDLE_PYTHON = "GREEDYHASH_PADDLE_PYTHON"
CSV_COLUMNS = {"preset", "dataset", "framework", "bits", "seed", "epochs", "map_last", "map_best"}
CSV_COLUMNS |= {"accuracy", "train_seconds", "encode_seconds", "device"}


@pytest.mark.slow
def test_demo_learns_at_every_length_in_both_frameworks(tmp_path):
    text = helpers.benchmark("--preset", "demo", "--out", tmp_path, align=True).stdout
    check_demo(tmp_path, text, (12, 24, 32, 48), least_map=0.80)
    assert "Alignment: quick ladder (64 px, width x0.125, 48 bits): aligned: every rung passed" in text


def test_demo_learns_after_a_ladder(tmp_path, monkeypatch, capsys):
    """Fewer epochs and a smaller ladder, which leave minutes to other tests."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(run, "quick_scale", lambda _steps: dataclasses.replace(TINY, name="quick"))
    options = ("--preset", "demo", "--bits", 12, "--epochs", 8, "--eval-every", 0, "--out", tmp_path)
    main(list(map(str, options)))
    text = capsys.readouterr().out
    check_demo(tmp_path, text, (12,), least_map=0.75)
    assert "Alignment: quick ladder (64 px, width x0.0625, 12 bits): aligned: every rung passed" in text


def check_demo(out, text, lengths, least_map):
    rows = pd.read_csv(out / "table.csv")
    assert set(rows.columns) >= CSV_COLUMNS
    cells = set(product(("torch", "paddle"), lengths))
    assert set(zip(rows.framework, rows.bits, strict=True)) == cells
    assert len(rows) == len(cells)
    assert (rows.map_last >= least_map).all(), rows[["framework", "bits", "map_last"]]
    assert (out / "table.md").read_text().strip() in text
    ours, published = text.split("Published, other settings: ")  # digits are not CIFAR-10
    assert "0.774" in published
    assert "0.774" not in ours
    assert len(json.loads((out / "table.json").read_text())["runs"]) == len(cells)


def test_first_line_names_the_preset_and_all_others():
    done = helpers.benchmark("--frameworks", "paddle", "--out", "/dev/null/out", status=2)
    line = done.stdout.splitlines()[0]
    assert line.startswith(("PRESET DEMO", "PRESET PAPER"))
    assert set(line.split("--preset ")[1].split(" or ")) | {line.split()[1].strip(",.").lower()} == PRESETS.keys()


def test_finished_suite_is_kept_and_needs_no_framework(small_suite):
    def stamps():
        return {run.folder: run.result_file.stat().st_mtime_ns for run in finished_runs(small_suite)}

    shown = [small_suite / name for name in ("table.md", "table.csv", "table.json", "report.html", "suite.json")]
    before, written = stamps(), [file.stat().st_mtime_ns for file in shown]
    assert len(before) == 2
    nowhere = {f"GREEDYHASH_{name}_PYTHON": "/nonexistent" for name in ("TORCH", "PADDLE")}
    done = helpers.benchmark("--out", small_suite, *helpers.SMALL, environment=nowhere)
    assert done.stderr.count(": kept, mAP") == 2
    assert stamps() == before
    assert [file.stat().st_mtime_ns for file in shown] == written
    assert (small_suite / "table.md").read_text().strip() in done.stdout


def test_finished_suite_without_its_ladder_needs_the_frameworks(small_suite):
    done = helpers.benchmark(
        "--out", small_suite, *helpers.SMALL, "--torch-python", "/nonexistent", align=True, status=2
    )
    assert "--torch-python /nonexistent cannot be used" in done.stderr


def test_both_frameworks_start_from_the_same(small_suite):
    first, second = (run.result() for run in finished_runs(small_suite))
    for name in ("recipe_digest", "data_sha256", "split_sha256", "initial_weights_sha256"):
        assert first[name] == second[name]
    first, second = (run.log()[0] for run in finished_runs(small_suite))
    assert first["loss"] == pytest.approx(second["loss"], rel=0.02)


def test_another_recipe_is_refused_then_forced(tmp_path):
    small = ("--preset", "demo", "--bits", "12", "--frameworks", "paddle", *NARROW, "--out", tmp_path)
    helpers.benchmark(*small, "--epochs", "1")
    done = helpers.benchmark(*small, "--epochs", "2", status=2)
    assert "epochs 1 instead of 2" in done.stderr
    assert "--force" in done.stderr
    assert len(finished_runs(tmp_path)[0].log()) == 1
    helpers.benchmark(*small, "--epochs", "2", "--force")
    assert len(finished_runs(tmp_path)[0].log()) == 2


def test_several_seeds_give_mean_and_deviation(tmp_path):
    options = ("--bits", "12", "--epochs", "1", "--frameworks", "paddle", *NARROW, "--seeds", "1", "2")
    done = helpers.benchmark("--preset", "demo", *options, "--out", tmp_path)
    values = pd.read_csv(tmp_path / "table.csv").map_last
    assert f"{values.mean():.4f} +- {values.std():.4f} (n=2)" in done.stdout
    digests = {run.result()["split_sha256"] for run in finished_runs(tmp_path)}
    assert len(digests) == 2


def test_missing_framework_leaves_the_other_running(tmp_path):
    options = ("--preset", "demo", "--bits", "12", "--epochs", "1", *NARROW, "--out", tmp_path / "out")
    python = helpers.python_without("paddle", tmp_path / "venv")
    done = helpers.benchmark(*options, python=python, environment={PADDLE_PYTHON: ""})  # the command's own interpreter
    assert [run.result()["framework"] for run in finished_runs(tmp_path / "out")] == ["torch"]
    assert "PaddlePaddle: not run; PaddlePaddle cannot be imported by" in (tmp_path / "out" / "table.md").read_text()
    assert "PaddlePaddle is left out" in done.stderr


@pytest.mark.parametrize("python", ["no-such-python", "/bin/true", "/bin/echo", "WITHOUT"])
@pytest.mark.parametrize("how", ["option", "variable"])
def test_interpreter_that_was_named_must_work(python, how, tmp_path):
    python = helpers.python_without("paddle", tmp_path / "venv") if python == "WITHOUT" else python
    named, environment = (("--paddle-python", python), {}) if how == "option" else ((), {PADDLE_PYTHON: python})
    arguments = ("--preset", "demo", "--frameworks", "paddle", "--out", tmp_path / "out", *named)
    done = helpers.benchmark(*arguments, status=2, environment=environment)
    assert len(done.stderr.splitlines()) == 1
    assert f"--paddle-python {python} cannot be used: " in done.stderr
    assert not (tmp_path / "out").exists()


def bad_npz(folder):
    np.savez(folder / "c.npz", x_train=np.zeros(1))
    return folder / "c.npz"


def bad_weights(folder):
    (folder / "w.safetensors").write_bytes(b"nothing")
    return folder / "w.safetensors"


def a_file(folder):
    (folder / "file").write_text("")
    return folder / "file" / "out"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "demo", "--bits", "0"], "--bits: expected a whole number from 1 to 4096, received '0'"),
        (["--preset", "demo", "--bits", "12", "12"], "--bits: expected different values"),
        (["--preset", "demo", "--seeds", "-1"], "seed: expected 0 to 4294967295"),
        (["--preset", "demo", "--epochs", "0"], "epochs: expected 1 to"),
        (["--preset", "demo", "--eval-every", "-1"], "eval_every: expected 0"),
        (
            ["--preset", "demo", "--protocol", "cifar10"],
            "--protocol goes with --data or --preset paper",
        ),
        (
            ["--preset", "demo", "--backbone-weights", "x"],
            "--backbone-weights goes with --preset paper",
        ),
        (["--preset", "demo", "--out", a_file], "cannot write to the folder"),
        (["--preset", "cpu", "--data", "no-such-file"], "no such data: no-such-file"),
        (["--preset", "cpu", "--data", bad_npz], "missing y_train, x_test, y_test"),
        (["--preset", "cpu"], r"cannot download .*--data PATH .*--preset demo"),
        (["--preset", "paper", "--data", "download"], r"cannot download .*--data PATH .*--preset demo"),
    ],
    ids=lambda value: " ".join(getattr(w, "__name__", w) for w in value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_before_training(options, message, tmp_path):
    arguments = [option(tmp_path) if callable(option) else option for option in options]
    if "--out" not in arguments:
        arguments += ["--out", tmp_path / "out"]
    environment = helpers.OFFLINE | {"GREEDYHASH_CACHE": tmp_path / "cache"}
    done = helpers.benchmark("--frameworks", "paddle", *arguments, status=2, environment=environment)
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/*/*/log.jsonl"))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("no-such-file", "expected imagenet, imagenet-conv, none or a file"),
        (bad_weights, "expected a safetensors file"),
        ("imagenet", "cannot get torchvision's AlexNet weights"),
        ("imagenet-conv", "cannot get torchvision's AlexNet weights"),
    ],
)
def test_bad_backbone_weights_are_refused(choice, message, fake_cifar, tmp_path):
    choice = choice(tmp_path) if callable(choice) else choice
    options = ("--preset", "cpu", "--data", fake_cifar[0], "--backbone-weights", choice, "--out", tmp_path / "out")
    environment = helpers.OFFLINE | {"GREEDYHASH_CACHE": tmp_path / "cache", "TORCH_HOME": tmp_path / "hub"}
    done = helpers.benchmark(*options, "--frameworks", "paddle", status=2, environment=environment)
    assert message in done.stderr


def test_cuda_without_a_gpu(tmp_path):
    if json.loads(helpers.worker("paddle", "info").stdout.splitlines()[-1])["gpu"]:
        pytest.skip("this machine has a GPU")
    options = ("--preset", "demo", "--frameworks", "paddle", "--device", "cuda", "--out", tmp_path)
    done = helpers.benchmark(*options, status=2)
    assert "--device cuda: expected an NVIDIA GPU that PaddlePaddle can use, found none (PaddlePaddle " in done.stderr


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


TWO_CELLS = ("--preset", "demo", "--bits", "12", "--epochs", "3", "--eval-every", "1")


def test_killed_suite_goes_on_to_the_same_numbers(small_suite, tmp_path):
    """Killed in the second run, when the first is finished, then left alone."""
    process = helpers.start_benchmark("--out", tmp_path, *TWO_CELLS)
    run = Run(tmp_path / "torch" / "bits12-seed2000")
    wait_until(lambda: any(run.resume_folder.glob("last.[cs]*")), seconds=120)
    workers = helpers.children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not any(map(is_running, workers)), seconds=60)
    done = helpers.benchmark("--out", tmp_path, *TWO_CELLS)
    assert "PaddlePaddle, 12 bits, seed 2000: kept" in done.stderr
    assert "going on after epoch" in done.stderr
    for name in ("paddle", "torch"):
        check_same_numbers(Run(tmp_path / name / "bits12-seed2000"), Run(small_suite / name / "bits12-seed2000"))


def test_dead_worker_is_reported_and_finished_runs_are_kept(tmp_path):
    options = ("--preset", "demo", "--bits", "12", "--epochs", "1", *NARROW)
    arguments = [sys.executable, "compare/benchmark.py", "--skip-align", "--out", str(tmp_path), *options]
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=helpers.PROJECT_ROOT,
        env=helpers.ENVIRONMENT,
    )
    first, second = (Run(tmp_path / name / "bits12-seed2000") for name in ("paddle", "torch"))
    wait_until(second.environment_file.exists, seconds=120)
    os.kill(helpers.children(process.pid)[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "the PyTorch Lightning worker died (signal 9); finished runs are kept" in errors
    assert str(second.worker_log_file) in errors
    assert first.is_finished()
    assert not second.is_finished()
    assert "1 of 1 runs not finished" in output or "no run finished yet" in output


@pytest.mark.slow
def test_real_images_at_full_width(real_images, tmp_path):
    """The acceptance run: one epoch, and the codes of all 60,000 real images, in both frameworks.

    From ImageNet's convolutions; at 96 px, since at 224 it would take an hour or two.
    """
    backbone = helpers.PROJECT_ROOT.parent / "shared" / "data" / "alexnet_imagenet_features.safetensors"
    options = ("--preset", "small", "--bits", "12", "--epochs", "1", "--out", tmp_path, "--backbone-weights", backbone)
    helpers.benchmark(
        *options, "--data", real_images / "cifar10.npz", timeout=7200, environment={"OMP_NUM_THREADS": ""}
    )
    paddle, torch = (run.log()[0] for run in finished_runs(tmp_path))
    assert paddle["loss"] == pytest.approx(torch["loss"], rel=0.02)
    assert min(paddle["map"]["expected"], torch["map"]["expected"]) > 0.2
    assert "random: fc6, fc7, hash, classifier" in (tmp_path / "table.md").read_text()
