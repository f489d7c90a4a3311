"""A running suite shows what is left of the run and of the suite."""

import re
import time

import pytest

from compare import benchmark
from compare.frameworks.records import FRAMEWORKS
from compare.suite.remaining import RunProgress
from shared.system.progress import LineProgress
from tests.fakes import NUMPY, KeptProgress


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


def test_a_suite_says_what_is_left_after_each_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(FRAMEWORKS, NUMPY.key, NUMPY)
    small = ("--preset", "demo", "--bits", "12", "24", "--epochs", "1", "--frameworks", "numpy", "--skip-align")
    benchmark.main([*small, "--out", str(tmp_path)])
    first, last = re.findall(r"in all.*", capsys.readouterr().err)
    assert re.fullmatch(r"in all; about \d+ s left for the suite", first)
    assert last == "in all"
