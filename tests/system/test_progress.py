"""Progress lines are few and readable, events survive the trip from worker to parent."""

import json
import os
import sys
import threading
import time
from contextlib import contextmanager, redirect_stderr, suppress

import pytest

from shared.system.progress import JsonProgress, LineProgress, Progress, format_seconds, make_progress, replay
from tests.fakes import KeptProgress


def test_events_are_replayed(capsys):
    events = JsonProgress()
    events.update("train", 1, 10, loss=0.5, epoch=2)
    events.note("epoch 2", detail=True)
    recorder = KeptProgress()
    lines = capsys.readouterr().out.splitlines()
    assert all(replay(line, recorder) for line in lines)
    assert recorder.updates == [("train", 1, 10, {"loss": 0.5, "epoch": 2})]
    assert recorder.notes == recorder.details == ["epoch 2"]
    assert not replay("a warning of some library", recorder)
    assert not replay(lines[0] + "a warning without a line of its own", recorder)


def test_events_are_bounded_in_rate_but_the_last_comes_through(capsys):
    events = JsonProgress()
    for done in range(1, 10_001):
        events.update("encode", done, 10_000)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) < 100
    assert lines[-1]["done"] == 10_000


def test_a_log_gets_few_lines(capsys):
    lines = LineProgress()
    for done in range(1, 1001):
        lines.update("train", done, 1000, loss=1.0)
    assert len(capsys.readouterr().err.splitlines()) <= 1


def test_many_tracks_write_no_more_lines_than_one(capsys, monkeypatch):
    clock = iter(range(10**9))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock) / 100)
    display = LineProgress()
    tracks = [display.track(f"torch:{bits}:0") for bits in range(10)]
    for done in range(1, 10_001):
        for track in tracks:
            track.update("train", done, 20_000, loss=1.0)
    seconds = next(clock) / 100
    lines = capsys.readouterr().err.splitlines()
    assert seconds / 40 < len(lines) < seconds / 20 + len(tracks)
    assert {line.split(": train")[0] for line in lines} == {f"torch:{bits}:0" for bits in range(10)}


@contextmanager
def terminal(parts):
    """A terminal as standard error while the block runs; what it was told to show is added to ``parts``."""
    ours, theirs = os.openpty()

    def read():
        with suppress(OSError):  # how the end of a terminal is told
            while part := os.read(ours, 2**16):
                parts.append(part.decode())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(theirs, "w") as stream, redirect_stderr(stream):
        yield
    reader.join(20)
    os.close(ours)


def test_a_terminal_shows_one_bar_with_its_facts(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    parts = []
    with terminal(parts):
        progress = make_progress("auto", sys.stderr)
        progress.update("train", 4, 4)
        progress.note("said by the bar already", detail=True)
        progress.note("worth keeping")
        progress.update("encode", 1, 4)
        progress.update("encode", 4, 4, loss=0.5, epoch=2)
        progress.close()
    text = "".join(parts)
    for words in ("  train ", "worth keeping", "  encode "):
        assert words in text
    shown = text.split("  encode ")[-1]  # the state that was there at the end
    assert "100%" in shown
    assert "loss 0.5 epoch 2" in shown
    assert "said by the bar already" not in text
    assert text.endswith("\x1b[2K")  # nothing of the bar is left


def test_tracks_on_a_terminal_have_a_bar_each(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    parts = []
    with terminal(parts):
        display = make_progress("auto", sys.stderr)
        tracks = [display.track(name) for name in ("torch:12:1", "paddle:12:1")]
        for track in tracks:
            track.update("train", 1, 2)
        tracks[0].note("  half way")
        for track in tracks:
            track.close()
        display.close()
    text = "".join(parts)
    for words in ("torch:12:1 train", "paddle:12:1 train", "torch:12:1: half way"):
        assert words in text


def test_remaining_time_counts_from_where_the_phase_began():
    progress = Progress()
    progress.update("train", 900, 1000)
    assert progress.seconds_left(900, 1000) is None
    progress._started_at -= 10
    assert progress.seconds_left(950, 1000) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")])
def test_seconds_are_readable(seconds, text):
    assert format_seconds(seconds) == text
