"""The queue before a worker: batches, and workers that die, hang or do not start, without any framework."""

import contextlib
import sys
import time

import numpy as np
import pytest

from compare.frameworks.worker import Worker
from compare.serving.answering import Answerer, Unavailable
from shared.system.errors import UserError, WorkerDied
from shared.worker.line_protocol import read_question
from tests import helpers
from tests.fakes import interpreter

PIXELS = np.zeros((2, 2, 3), np.uint8)
# in place of an interpreter; the names of images say what happens, and what happened is kept beside the program
PROGRAM = """import json, os, pathlib, signal, sys, time
happened = pathlib.Path(__file__).with_name("happened")
happened.touch()
print("a library talks")
print(json.dumps({"device": "cpu", "size": [2, 2]}), flush=True)
for line in sys.stdin:
    names = json.loads(line)["names"]
    first = not set(names) <= set(happened.read_text().split(","))
    happened.write_text(happened.read_text() + ",".join(names) + ",")
    if "wait" in names:
        time.sleep(0.5)
    if "hang" in names or ("hang once" in names and first):
        time.sleep(60)
    if "die" in names or ("die once" in names and first):
        print('{"records": [', end="", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps({"records": [{"image": name, "batch": len(names)} for name in names]}), flush=True)
"""


@pytest.fixture
def program(tmp_path):
    return interpreter(tmp_path, PROGRAM, shell=sys.executable)


@pytest.fixture
def answerer(program):
    with contextlib.closing(Answerer(Worker("torch", str(program)), [], seconds=2.0)) as answerer:
        yield answerer


def test_what_waits_goes_in_one_batch(answerer):
    assert answerer.greeting == {"device": "cpu", "size": [2, 2]}
    first = answerer.submit("wait", PIXELS)
    time.sleep(0.1)
    others = [answerer.submit(str(number), PIXELS) for number in range(200)]
    assert first.result(60) == {"image": "wait", "batch": 1}
    assert [other.result(60)["image"] for other in others] == [str(number) for number in range(200)]
    assert [other.result()["batch"] for other in others] == 128 * [128] + 72 * [72]


def test_nobody_waits_for_a_visitor_who_left(answerer):
    answerer.submit("wait", PIXELS)
    time.sleep(0.1)
    gone, there = answerer.submit("die", PIXELS), answerer.submit("b", PIXELS)
    assert gone.cancel()
    assert there.result(60) == {"image": "b", "batch": 1}


@pytest.mark.parametrize("fate", ["die once", "hang once"])
def test_worker_is_started_again_once(answerer, fate):
    assert answerer.submit(fate, PIXELS).result(60) == {"image": fate, "batch": 1}


@pytest.mark.parametrize("fate", ["die", "hang"])
def test_worker_that_fails_twice_is_told_and_tried_again(answerer, fate, capsys):
    with pytest.raises(Unavailable, match=r"PyTorch Lightning, but its worker ended, .* try again later"):
        answerer.submit(fate, PIXELS).result(60)
    assert "error: " in capsys.readouterr().err
    assert answerer.submit("a", PIXELS).result(60) == {"image": "a", "batch": 1}


def test_worker_that_cannot_start_again(answerer, program, capsys):
    interpreter(program.parent, "echo error: the checkpoint is gone; exit 2")
    with pytest.raises(Unavailable):
        answerer.submit("die", PIXELS).result(60)
    assert capsys.readouterr().err == "error: the checkpoint is gone\n"


@pytest.mark.parametrize(("status", "kind"), [(2, UserError), (1, WorkerDied)])
def test_worker_that_never_starts(tmp_path, status, kind):
    python = interpreter(tmp_path, f"echo error: no framework; exit {status}")
    with pytest.raises(kind, match="no framework"):
        Answerer(Worker("torch", str(python)), [])


def test_closing_does_not_wait_for_an_answer(program, capsys):
    answerer = Answerer(Worker("torch", str(program)), [], seconds=1000.0)
    answer = answerer.submit("hang", PIXELS)
    helpers.wait_until(lambda: "hang" in (program.parent / "happened").read_text())
    answerer.close()
    with pytest.raises(Unavailable):  # an answer would have come at last
        answer.result(0)
    assert capsys.readouterr().err == ""  # whoever ended the server knows why


@pytest.mark.parametrize(
    "line",
    ["", "hello", "[]", '{"names": ["a"]}', '{"names": ["a"], "pixels": "!"}', '{"names": ["a"], "pixels": "AAAA"}'],
)
def test_questions_that_are_none(line):
    with pytest.raises(UserError, match=r"^stdin: expected lines .* \(N, 8, 8, 3\)}, received "):
        read_question(line, (8, 8))
