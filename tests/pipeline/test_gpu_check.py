"""compare/gpu_check.py: its steps by what is there, how each ends, and what it leaves for an issue."""

import json

import pytest

from compare.gpu_check import build_parser
from compare.pipeline import gpu_check
from compare.pipeline.gpu_check import Step, check, steps
from shared.system.errors import UserError
from tests import helpers
from tests.fakes import framework_that_says, interpreter

QUICK = Step("quick", "a command that ends well", ("wheels.py", "kind"))
WRONG = Step("wrong", "a command that does not", ("wheels.py", "kinds"))


def arguments_of(out, *words):
    return build_parser().parse_args(["--out", str(out), *map(str, words)])


@pytest.fixture
def fakes(tmp_path):
    """The words that name stand-ins of both frameworks, and the CPU."""
    folder = tmp_path / "frameworks"
    named = [(f"--{name}-python", framework_that_says(folder / name)) for name in ("torch", "paddle")]
    return ["--device", "cpu", *named[0], *named[1]]


def test_both_frameworks_or_one_beside_the_cpu(tmp_path):
    arguments = arguments_of(tmp_path, "--torch-python", "/some/python")
    both, alone = (steps(arguments, names, "cuda") for names in (["paddle", "torch"], ["torch"]))
    assert [step.name for step in both] == [step.name for step in alone] == ["doctor", "ladder", "training", "speed"]
    assert "--alone" not in both[1].command
    assert both[0].command[1:3] == ("--preset", "paper")  # and its forecast
    assert alone[1].command[:3] == ("align.py", "--alone", "torch")
    for step in (*both, *alone):
        assert step.command[step.command.index("--device") + 1] == "cuda"
        assert step.command[step.command.index("--torch-python") + 1] == "/some/python"
    assert "224" in both[3].command


def test_a_framework_that_cannot_use_the_gpu_is_left_out(tmp_path):
    """What is asked for where one can use it and the other cannot: --frameworks."""
    arguments = arguments_of(tmp_path, "--frameworks", "torch", "--paddle-python", "/nonexistent", "--device", "cpu")
    assert arguments.frameworks == ["torch"]
    doctor, _, training, speed = steps(arguments, arguments.frameworks, "cpu")
    for step in (doctor, training, speed):
        assert step.command[step.command.index("--frameworks") :][:2] == ("--frameworks", "torch")


def test_images_of_the_user_are_trained_on(tmp_path):
    training = steps(arguments_of(tmp_path, "--data", "images", "--label", "mine"), ["torch"], "cpu")[2].command
    assert training[training.index("--data") + 1] == "images"
    assert training[training.index("--preset") + 1] == "cpu"


def test_every_command_of_every_step_is_understood(tmp_path):
    for names in (["paddle", "torch"], ["torch"]):
        for step in steps(arguments_of(tmp_path), names, "cpu"):
            module = __import__(f"compare.{step.command[0].removesuffix('.py')}", fromlist=["build_parser"])
            module.build_parser().parse_args(step.command[1:])


def test_outcomes_are_printed_and_written(fakes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "steps", lambda *_: [QUICK, WRONG])
    assert not check(arguments_of(tmp_path, *fakes))
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("quick: ok (")
    assert second.startswith("wrong: failed, exit status 2 (")
    assert str(tmp_path) in last
    report = json.loads((tmp_path / "gpu-check.json").read_text())
    assert [step["passed"] for step in report["steps"]] == [True, False]
    assert report["device"] == "cpu"
    page = (tmp_path / "gpu-check.md").read_text()
    assert "`python compare/wheels.py kinds`" in page
    assert "expected kind, table, show, choose, fill or link, received 'kinds'" in page


def test_what_does_not_end_in_time_has_failed(fakes, tmp_path, monkeypatch, capsys):
    script = tmp_path / "sleep.py"
    script.write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    long = Step("long", "too long", (str(script),))
    monkeypatch.setattr(gpu_check, "steps", lambda *_: [long, QUICK])
    arguments = arguments_of(tmp_path, *fakes)
    arguments.minutes = 1 / 30
    assert not check(arguments)
    assert capsys.readouterr().out.startswith("long: did not end in time (")


STUBBORN = """import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getcwd(), flush=True)
time.sleep(600)
"""


def test_what_does_not_end_when_it_is_told_to_is_killed(fakes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a relative path of the user's is from there
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    monkeypatch.setattr(gpu_check, "_SECONDS_TO_END", 0.1)
    monkeypatch.setattr(gpu_check, "steps", lambda *_: [Step("stubborn", "no end", (str(tmp_path / "stubborn.py"),))])
    arguments = arguments_of(tmp_path / "out", *fakes)
    arguments.minutes = 1 / 30
    assert not check(arguments)
    (step,) = json.loads((tmp_path / "out" / "gpu-check.json").read_text())["steps"]
    assert step["status"] is None
    assert step["output"] == str(tmp_path)


def test_an_interruption_keeps_what_was_found(fakes, tmp_path, monkeypatch):
    def interrupted(step, seconds):
        if step is WRONG:
            raise KeyboardInterrupt
        return gpu_check.Outcome(step, 0, 1.0, "well")

    monkeypatch.setattr(gpu_check, "steps", lambda *_: [QUICK, WRONG])
    monkeypatch.setattr(gpu_check, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check(arguments_of(tmp_path, *fakes))
    assert [step["passed"] for step in json.loads((tmp_path / "gpu-check.json").read_text())["steps"]] == [True]


def test_a_check_without_a_gpu_is_asked_for(fakes, tmp_path):
    with pytest.raises(UserError, match=r"--device cuda: expected an NVIDIA GPU .* can use, found none .*--device cpu"):
        check(arguments_of(tmp_path, *fakes[2:]))


def test_the_framework_that_is_left_out_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "steps", lambda *_: [QUICK])
    (tmp_path / "broken").mkdir()
    monkeypatch.setenv("GREEDYHASH_PADDLE_PYTHON", "")
    broken = str(interpreter(tmp_path / "broken", "echo no such module >&2; exit 7"))
    monkeypatch.setattr("sys.executable", broken)
    check(arguments_of(tmp_path / "out", "--device", "cpu", "--torch-python", framework_that_says(tmp_path / "torch")))
    said = "PaddlePaddle is left out: the PaddlePaddle worker died (exit status 7)"
    assert capsys.readouterr().out.startswith(said)
    assert f"- {said}" in (tmp_path / "out" / "gpu-check.md").read_text()
    assert json.loads((tmp_path / "out" / "gpu-check.json").read_text())["left_out"][0].startswith(said)


def test_no_framework_is_one_line(tmp_path):
    nowhere = ["--device", "cpu", "--torch-python", "/nonexistent", "--paddle-python", "/nonexistent"]
    with pytest.raises(UserError, match="/nonexistent cannot be used"):
        check(arguments_of(tmp_path, *nowhere))


@pytest.mark.slow
def test_whole_check_on_a_cpu(tmp_path):
    done = helpers.run("compare/gpu_check.py", "--device", "cpu", "--out", tmp_path, "--minutes", 30, timeout=2000)
    assert [line.split(" (")[0] for line in done.stdout.splitlines()[:4]] == [
        f"{name}: ok" for name in ("doctor", "ladder", "training", "speed")
    ]
    assert json.loads((tmp_path / "gpu-check.json").read_text())["speed"]["table"]
