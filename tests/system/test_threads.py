"""The number of threads, on which results depend: one rule for it, where it is stored, and who says that it changed."""

import dataclasses
import json
import os

import pytest

from compare.benchmark import build_parser
from compare.suite.cells import LocalExecutor
from compare.suite.grid import read_grid
from compare.suite.planning import threads_of_run
from compare.tables.table import write_table
from shared.config.recipe import PRESETS
from shared.data import cifar
from tests.fakes import KeptProgress
from tests.rows import finish, plan, suite_with

DEMO = dataclasses.replace(PRESETS["demo"], bits=12)


class NothingIsRun(LocalExecutor):
    """What surrounds the runs, without training."""

    def run(self, tasks, progress):
        return []


def notes_of_run(suite):
    progress = KeptProgress()
    suite.run(NothingIsRun(), progress)
    return [text for text in progress.notes if "threads" in text]


def test_a_suite_that_goes_on_with_other_threads_says_so(tmp_path):
    digits = {"dataset": cifar.load("digits"), "seeds": [1, 2]}
    first = suite_with(tmp_path, DEMO, threads=1, **digits)
    assert notes_of_run(first) == notes_of_run(first) == []
    assert read_grid(tmp_path).threads == (1,)
    second = suite_with(tmp_path, DEMO, threads=4, **digits)
    (note,) = notes_of_run(second)
    assert "number of threads so far 1, from now on 4; results depend on it" in note
    assert read_grid(tmp_path).threads == (1, 4)
    assert notes_of_run(dataclasses.replace(second, force=True)) == []
    assert read_grid(tmp_path).threads == (4,)


def test_threads_are_known_from_the_runs_of_older_suites(tmp_path):
    plan(tmp_path, seeds=[1])
    values = json.loads((tmp_path / "suite.json").read_text())
    del values["threads"]  # as before it was stored
    (tmp_path / "suite.json").write_text(json.dumps(values))
    finish(tmp_path, dataclasses.replace(DEMO, seed=1), "torch", 0.5, threads=3)
    suite = suite_with(tmp_path, DEMO, threads=2, dataset=cifar.load("digits"), seeds=[2])
    (note,) = notes_of_run(suite)
    assert "so far 3, from now on 2" in note


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_a_run_has_the_same_threads_whoever_executes_it(executor, monkeypatch):
    def threads(*more):
        return threads_of_run(build_parser().parse_args(["--executor", executor, *more]))

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    assert threads("--cell-cpus", "2") == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("threads", "words"),
    [
        ((1, 1), "a device, 1 thread; "),
        ((2, 2), "a device, 2 threads; "),
        ((2, 1), "a device, runs on 1 and 2 threads, "),
    ],
)
def test_threads_stand_under_the_table(tmp_path, threads, words):
    plan(tmp_path, seeds=[1, 2])
    for seed, count in zip((1, 2), threads, strict=True):
        finish(tmp_path, dataclasses.replace(DEMO, seed=seed), "torch", 0.5, threads=count)
    assert f"- PyTorch Lightning: {words}" in write_table(tmp_path)
