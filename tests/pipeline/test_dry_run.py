"""``benchmark.py --dry-run``: the plan and a forecast; nothing is trained, downloaded or written."""

import re
import shutil

import pytest

from compare import benchmark
from shared.system.errors import UserError
from tests import helpers
from tests.fakes import ENCODE, ENCODER, NO_CARD, STEP, WITH_CARD, framework_that_says
from tests.installation.nvidia import pretend

DEMO = ("--preset", "demo", "--bits", "12", "24")


@pytest.fixture
def dry_run(tmp_path, capsys, monkeypatch):
    """Calls benchmark.py --dry-run with frameworks that answer so; the lines of its output, and what it notes."""
    monkeypatch.setenv("GREEDYHASH_CACHE", str(tmp_path / "cache"))
    pythons = {name: tmp_path / name for name in ("torch", "paddle")}

    def call(*words, out=tmp_path / "out", torch=NO_CARD, paddle=NO_CARD):
        informations = {"torch": torch, "paddle": paddle}
        named = [
            option
            for name, folder in pythons.items()
            for option in (f"--{name}-python", framework_that_says(folder, informations[name]))
        ]
        capsys.readouterr()
        benchmark.main(["--dry-run", "--out", str(out), *words, *named])
        shown = capsys.readouterr()
        return shown.out.splitlines(), shown.err

    return call


def seconds_in(line):
    minutes, seconds = re.search(r"about (?:(\d+) min )?(\d+) s to go", line).groups()
    return 60 * int(minutes or 0) + int(seconds)


def test_the_plan_has_every_run_and_a_forecast_and_writes_nothing(dry_run, tmp_path):
    lines, _ = dry_run(*DEMO)
    assert [line.split(", about")[0] for line in lines[1:-1]] == [
        "[1/4] PaddlePaddle, 12 bits, seed 2000 on cpu: to train",
        "[2/4] PyTorch Lightning, 12 bits, seed 2000 on cpu: to train",
        "[3/4] PaddlePaddle, 24 bits, seed 2000 on cpu: to train",
        "[4/4] PyTorch Lightning, 24 bits, seed 2000 on cpu: to train",
    ]
    # the digits: 1,000 images in 32 steps an epoch; 1,797 are encoded in 15 batches of 128, five times
    expected = 15 * 32 * STEP + ENCODER + 5 * 15 * ENCODE
    assert all(expected <= seconds_in(line) <= expected + 20 for line in lines[1:-1])
    assert 4 * expected <= seconds_in(lines[-1]) <= 4 * expected + 80
    assert lines[-1].startswith("4 runs, 0 finished, about ")
    assert lines[-1].endswith("Nothing was trained or written: leave out --dry-run for that")
    assert {path.name for path in tmp_path.iterdir()} == {"torch", "paddle"}  # the interpreters


def test_finished_runs_are_named_and_need_no_forecast(dry_run, small_suite, tmp_path):
    out = tmp_path / "suite"
    shutil.copytree(small_suite, out)
    files = {file: file.stat().st_mtime_ns for file in out.rglob("*")}
    lines, _ = dry_run(*helpers.SMALL, out=out)
    assert all(": finished, mAP 0." in line for line in lines[1:-1])
    assert lines[-1].startswith("2 runs, 2 finished; ")
    lines, _ = dry_run(*helpers.SMALL, "--seeds", "2000", "1", out=out)
    assert [": finished" in line for line in lines[1:-1]] == [True, True, False, False]
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*")} == files
    with pytest.raises(UserError, match="holds a run of another recipe"):
        dry_run(*helpers.SMALL_BUT_EPOCHS, "--epochs", "2", out=out)
    lines, _ = dry_run(*helpers.SMALL_BUT_EPOCHS, "--epochs", "2", "--force", out=out)
    assert all(": to be replaced, about" in line for line in lines[1:-1])


def test_a_begun_run_has_less_to_go(dry_run, small_suite, tmp_path):
    out = tmp_path / "suite"
    shutil.copytree(small_suite, out)
    for name in ("result.json", "log.jsonl"):
        (out / "torch" / "bits12-seed2000" / name).rename(tmp_path / name)
    log = (tmp_path / "log.jsonl").read_text().splitlines(keepends=True)
    (out / "torch" / "bits12-seed2000" / "log.jsonl").write_text(log[0])
    lines, _ = dry_run(*helpers.SMALL, out=out)
    assert ": finished" in lines[1]
    assert "on cpu: begun, 1 of 3 epochs finished, about " in lines[2]
    expected = 2 * 32 * STEP + ENCODER + 2 * 15 * ENCODE
    assert expected <= seconds_in(lines[2]) <= expected + 20


def test_studies_have_their_runs(dry_run):
    lines, _ = dry_run("--preset", "demo", "--bits", "12", "--control", "--frameworks", "torch")
    assert [line.split(" PyTorch")[0] for line in lines[1:-1]] == [
        "[1/4]",
        "[2/4] control/threads:",
        "[3/4] control/dropout:",
        "[4/4] control/last-place:",
    ]


def test_a_study_of_rounding_has_its_runs(dry_run):
    lines, _ = dry_run("--preset", "demo", "--bits", "12", "--seeds", "1", "2", "--rounding")
    assert sum("rounding/last-place-" in line for line in lines) == 8
    assert lines[-1].startswith("64 runs, 0 finished")
    with pytest.raises(UserError, match="kernels shared: expected one process"):
        dry_run("--preset", "demo", "--bits", "12", "--seeds", "1", "2", "--rounding", "--devices", "2")


def test_downloads_are_named_and_not_made(dry_run, tmp_path):
    lines, notes = dry_run("--preset", "paper", "--bits", "12", "--frameworks", "torch", torch=WITH_CARD)
    assert "CIFAR-10 is to be downloaded first" in notes
    assert "AlexNet weights are to be downloaded first" in notes
    assert "on cuda: to train, about " in lines[1]
    # 5,000 images in 157 steps an epoch; 60,000 are encoded in 469 batches, ten times
    assert seconds_in_hours(lines[1]) >= 50 * 157 * STEP + ENCODER + 10 * 469 * ENCODE - 60
    assert not (tmp_path / "cache").exists()


def seconds_in_hours(line):
    hours, minutes = re.search(r"about (\d+) h (\d+) min to go", line).groups()
    return 3600 * int(hours) + 60 * int(minutes)


def test_one_kind_of_device_is_asked_for(dry_run):
    with pytest.raises(UserError, match="expected one kind of device for both frameworks, but PyTorch Lightning can"):
        dry_run("--preset", "demo", torch=WITH_CARD)
    lines, _ = dry_run(*DEMO, "--device", "cpu", torch=WITH_CARD)
    assert all(" on cpu: to train" in line for line in lines[1:-1])


def test_a_card_that_nobody_uses_is_named(dry_run, tmp_path, monkeypatch):
    _, notes = dry_run(*DEMO)
    assert "NVIDIA card" not in notes
    pretend(monkeypatch, tmp_path / "bin", "8.6, 535.54.03")
    _, notes = dry_run(*DEMO)
    assert "note: this machine has an NVIDIA card, and everything computes on the CPU: built for the CPU; " in notes
    _, notes = dry_run(*DEMO, "--device", "cpu")
    assert "NVIDIA card" not in notes
