"""Suites killed twenty times end in what an undisturbed one ends in, byte for byte."""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import pandas as pd
import pytest

from shared.training.runs import run_of
from tests import helpers

KILLS, SEEDS, EPOCHS = 20, (1, 2, 3), 12
MOMENTS = ["start", "epoch", "saving", "epoch", "saving", "start", "epoch", "finishing"]  # of each run
TIMES = ["train_seconds", "encode_seconds", "images_per_second"]


def options(framework, out):
    few = ("--preset", "demo", "--bits", 12, "--epochs", EPOCHS, "--eval-every", 4, "--frameworks", framework)
    return (*few, "--seeds", *SEEDS, "--out", out)


def kill(process):
    """The command and its workers, none of which can tidy up."""
    for group in (process.pid, *helpers.children(process.pid)):  # each began a session
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    process.wait()


def epochs_of(run):
    return run.log_file.read_bytes().count(b"\n") if run.log_file.exists() else 0


def is_being_written(folder):
    with suppress(FileNotFoundError):
        return any(entry.name.endswith(".tmp") for entry in os.scandir(folder))
    return False


def waited_for(moment, run, process, choose):
    """Whether the moment came before this run, or the process, had ended."""
    before, came_at, delay = epochs_of(run), time.monotonic(), choose.uniform(0, 8 if moment == "start" else 0.5)
    while process.poll() is None and not run.is_finished():
        match moment:
            case "saving" if is_being_written(run.resume_folder):
                return True
            case "finishing" if epochs_of(run) == EPOCHS and is_being_written(run.folder):
                return True
            case "start" | "epoch":
                if moment == "epoch" and epochs_of(run) == before:
                    came_at = time.monotonic()
                elif time.monotonic() - came_at > delay:
                    return True
        time.sleep(0.0005)
    return False


def moments(runs):
    return ((run, moment) for run in runs for moment in MOMENTS if not run.is_finished())


@pytest.mark.slow
def test_twenty_kills(framework, tmp_path):
    choose, kills = random.Random(framework), Counter()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    helpers.benchmark(*options(framework, whole))
    process = helpers.start_benchmark(*options(framework, killed), start_new_session=True)
    for run, moment in moments([run_of(killed, framework, 12, seed) for seed in SEEDS]):
        if kills.total() == KILLS:
            break
        if waited_for(moment, run, process, choose):
            kill(process)
            kills[moment] += 1
            process = helpers.start_benchmark(*options(framework, killed), start_new_session=True)
    assert process.wait() == 0
    print(f"{framework}: {dict(kills)}")
    assert kills.total() == KILLS
    assert kills.keys() == set(MOMENTS)
    check_same(whole, killed, framework)


def check_same(whole, killed, framework):
    tables = [pd.read_csv(out / "table.csv").drop(columns=TIMES) for out in (whole, killed)]
    assert tables[0].to_csv() == tables[1].to_csv()
    for seed in SEEDS:
        ours, theirs = (run_of(out, framework, 12, seed) for out in (whole, killed))
        for name in ("codes_file", "checkpoint_file", "queries_file", "recipe_file"):
            assert getattr(ours, name).read_bytes() == getattr(theirs, name).read_bytes(), name
        helpers.check_same_numbers(theirs, ours)
        assert not theirs.resume_folder.exists()
        left = [file for file in theirs.folder.rglob("*") if file.name.endswith(".tmp")]
        assert not left
