"""A running suite shows what is left of the run and of the suite."""

import dataclasses
import time

import pytest

from compare.frameworks.worker import Worker
from compare.suite.cells import Cell, LocalExecutor, Task
from compare.suite.remaining import RunProgress
from compare.suite.suite import Suite
from shared.system.progress import LineProgress
from tests.fakes import KeptProgress
from tests.rows import finish, suite_with


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def remaining(clock, later=(), known=None, first=0):
    """What is shown after a quarter of 400 steps since ``first``, each of a second, and an evaluation of 100."""
    display = KeptProgress()
    run = RunProgress(display, later, known or {})
    run.update("train", first, 400)
    assert display.remaining == ""
    clock[0] += 100
    run.update("encode", 1, 10)
    clock[0] += 100
    run.update("train", first + 100, 400)
    return display.remaining, run.whole_seconds()


def test_evaluations_count_in_what_is_left_of_a_run(clock):
    assert remaining(clock) == ("10 min 00 s left", 800)


def test_the_last_evaluation_is_left_after_the_last_training_step(clock):
    display = KeptProgress()
    run = RunProgress(display, ("torch",), {"torch": 60.0})
    shown = []
    for phase, done, seconds in (("train", 0, 100), ("train", 10, 20), ("encode", 0, 20), ("encode", 4, 0)):
        run.update(phase, done, 10)
        shown.append(display.remaining)
        clock[0] += seconds
    assert shown == ["", "", "", "30 s left, 1 min 30 s for the suite"]


def test_a_run_that_goes_on_is_judged_by_what_is_trained_here(clock):
    assert remaining(clock, first=200) == ("3 min 20 s left", 800)


def test_later_runs_take_what_their_framework_took_or_else_as_long_as_this(clock):
    shown, _ = remaining(clock, ("paddle", "torch", "paddle"), {"torch": 60.0})
    assert shown == "10 min 00 s left, 37 min 40 s for the suite"


def test_the_time_is_shown_in_place_of_the_phases_own(clock, capsys):
    run = RunProgress(LineProgress(), ("torch",), {"torch": 60.0})
    for done in (0, 100, 200):
        run.update("train", done, 400, loss=1.0)
        clock[0] += 100
    assert (
        capsys.readouterr().err.splitlines()[-1] == "  train 200/400 loss 1 3 min 20 s left, 4 min 20 s for the suite"
    )


def test_the_executor_says_what_is_left_after_each_run(clock, tmp_path):
    class Trained(Task):
        def execute(self, progress):
            progress.update("train", 0, 10)
            clock[0] += {"torch": 100, "paddle": 20}[self.cell.framework]
            progress.update("train", 10, 10)
            return "trained"

    names = ("torch", "paddle", "torch")
    runs = [
        Trained(Cell(name, 12, seed), f"[{seed}/3]", Worker(name), "cpu", tmp_path, "digits", later=names[seed:])
        for seed, name in enumerate(names, 1)
    ]
    display = KeptProgress()
    assert LocalExecutor().run(runs, display) == []
    assert [note.strip() for note in display.notes if "trained" in note] == [
        "trained; about 3 min 20 s left for the suite",
        "trained; about 1 min 40 s left for the suite",
        "trained",
    ]


def test_the_runs_that_follow_are_those_that_are_not_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(Suite, "_make_initial_weights", lambda *_: None)
    suite = suite_with(tmp_path, devices={"paddle": "cpu", "torch": "cpu"})
    finish(tmp_path, dataclasses.replace(suite.recipe, bits=12, seed=7), "paddle", 0.5)
    later = [task.later for task in suite._tasks(suite.cells, KeptProgress())]
    assert later == [("torch", "torch"), ("torch",), ()]
