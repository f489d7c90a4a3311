"""How every command begins and ends: what it lacks or does not understand is one line, and so is Ctrl-C."""

import argparse
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.system.errors import UserError, exit_status
from shared.system.options import Parser, whole
from shared.system.start import threads_named
from shared.worker import cli
from tests import helpers

pytestmark = pytest.mark.usefixtures("real_processes")

COMMANDS = sorted(
    file.stem for file in (helpers.PROJECT_ROOT / "compare").glob("*.py") if "shared.system.entry" in file.read_text()
)
WORKERS = ("torch_impl", "paddle_impl")


def test_all_commands_are_found():
    ended_by_a_status = [
        file.stem for file in (helpers.PROJECT_ROOT / "compare").glob("*.py") if "exit_status(main)" in file.read_text()
    ]
    assert sorted(ended_by_a_status) == COMMANDS
    assert len(COMMANDS) == 15


def said(command, words, monkeypatch, capsys):
    """What a command of compare/ says on stderr of words that it refuses."""
    monkeypatch.setattr(sys, "argv", [command, *words])
    assert exit_status(importlib.import_module(f"compare.{command}").main) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_option_is_one_line_with_what_was_meant(command, monkeypatch, capsys):
    line = "error: no such argument: --hepl; did you mean --help?\n"
    assert said(command, ["--hepl", "x"], monkeypatch, capsys) == line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("tran --run x", "VERB: expected train, encode, eval, .* received 'tran'; did you mean train\\?"),
        ("train --rnu x", "no such argument: --rnu; did you mean --run\\?"),
        ("train --run x --data digits --devices 0", "--devices: expected a whole number from 1, received '0'"),
        ("train --run x --data digits --nodes 1.5", "--nodes: expected a whole number from 1, received '1.5'"),
        ("eval --checkpoint c --data d --device gpu", "--device: expected auto, cpu or cuda, received 'gpu'"),
        ("eval --checkpoint c --data d --progress jsno", ".* received 'jsno'; did you mean json\\?"),
        ("encode --checkpoint c --data d --out=", "--out: expected a path, received ''"),
        ("encode --checkpoint c --data", "--data: expected one argument"),
        ("info extra words", "no such argument: extra"),
        ("", "the following arguments are required: VERB"),
    ],
)
def test_what_a_worker_does_not_understand(words, line):
    with pytest.raises(UserError, match=line):
        cli.build_parser("torch_impl").parse_args(words.split())


@pytest.mark.parametrize(
    ("command", "words", "line"),
    [
        ("benchmark", ["--epochs", "0", "--preset", "demo"], "epochs: expected 1 to 1000000, received 0"),
        ("benchmark", ["--bits", "4097"], "--bits: expected a whole number from 1 to 4096, received '4097'"),
        ("benchmark", ["--bits", "9" * 5000], "--bits: expected a whole number from 1 to 4096, received '99"),
        ("benchmark", ["--bits"], "--bits: expected at least one argument"),
        ("benchmark", ["--margin", "nan"], "--margin: expected a finite number, received 'nan'"),
        ("benchmark", ["--margin", "2"], "margin: expected a mAP between 0 and 1"),
        ("benchmark", ["--seeds", "-1", "--preset", "demo"], "seed: expected 0 to 4294967295, received -1"),
        ("benchmark", ["--out", ""], "--out: expected a path, received ''"),
        ("benchmark", ["--frameworks", "torhc"], "--frameworks: expected paddle or torch, received 'torhc'; did you"),
        ("benchmark", ["--ray-address", "auto"], "--ray-address goes with --executor ray"),
        ("benchmark", ["--nodes", "2"], "--nodes 2: expected the variables MASTER_ADDR"),
        ("align", ["--inject", "tf23"], "--inject: expected list, tf32, "),
        ("align", ["--bits", "0"], "--bits: expected a whole number from 1 to 4096, received '0'"),
        ("throughput", ["--px", "10"], "input_px: expected 63 to 2048, received 10"),
        ("throughput", ["--out", "/dev/null/x"], "cannot write to the folder /dev/null/x: Not a directory"),
        ("bench_evaluator", ["--rounds", "0"], "--rounds: expected a whole number from 1, received '0'"),
        ("serve", [], "expected OUT, the folder of a suite"),
        ("report", [""], "OUT: expected a path, received ''"),
        ("convert", ["a.pt", "b.pt", "--names", "x\x1b[31m"], "--names: expected ours"),
    ],
)
def test_what_a_command_refuses_before_it_starts_anything(command, words, line, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", None)
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    text = said(command, words, monkeypatch, capsys)
    assert text.startswith(f"error: {line}")
    assert text.count("\n") == 1
    assert len(text) < 700
    assert text[:-1].isprintable()
    assert not list(tmp_path.iterdir())


def parsers():
    for command in COMMANDS:
        build = getattr(importlib.import_module(f"compare.{command}"), "build_parser", None)
        if build:
            yield command, build()
    (verbs,) = (a for a in cli.build_parser("torch_impl")._actions if isinstance(a, argparse._SubParsersAction))
    yield from verbs.choices.items()


@pytest.mark.parametrize("name", ["benchmark", "align", "throughput", "train", "encode", "eval", "info", "probe"])
def test_help_explains_every_option_with_its_default(name):
    parser = dict(parsers())[name]
    text = " ".join(parser.format_help().split())
    for action in parser._actions:
        assert action.help
        if (
            action.option_strings
            and action.help != argparse.SUPPRESS
            and action.default not in (None, False, "", "==SUPPRESS==")
        ):
            shown = " ".join(map(str, action.default)) if isinstance(action.default, list) else str(action.default)
            assert f"default: {shown}" in text


def test_numbers_have_their_range():
    assert whole(1, 3)("3") == 3
    assert whole()("-5") == -5
    for text in ("0", "4", "x", "", "1.0"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"expected a whole number from 1 to 3, received '{text}'"):
            whole(1, 3)(text)


def test_what_looks_like_an_option_may_stand_behind_two_dashes():
    parser = Parser()
    parser.add_argument("file", type=Path)
    assert parser.parse_args(["--", "--odd"]).file == Path("--odd")


# make calls it before any library is there
NEEDS_NO_LIBRARY = {"wheels"}


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - NEEDS_NO_LIBRARY))
def test_an_interpreter_without_the_libraries_is_told_from_anywhere(command, tmp_path):
    """As where .venv is not active: neither the libraries nor this project are installed (-S)."""
    file = helpers.PROJECT_ROOT / "compare" / f"{command}.py"
    environment = {"PYTHONPATH": "", "PYTHONSAFEPATH": "1" if command == "table" else ""}
    # where the libraries are imported for the work alone
    words = {"table": [tmp_path], "report": [tmp_path], "publish": []}.get(command, ["--help"])
    done = helpers.run("-S", file, *words, status=2, cwd=tmp_path, environment=environment)
    assert done.stderr.startswith("error: expected the module ")
    assert done.stderr.endswith("(source .venv/bin/activate), which make installs\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_without_the_libraries_says_so(worker):
    done = helpers.run("-S", "-m", worker, "info", status=2, environment={"PYTHONPATH": ""})
    assert done.stderr.startswith("error: expected the module numpy in ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "threads"), [("", None), ("4", 4), ("4,2", 4), (" 3 , 1", 3), ("1", 1), ("4096", 4096)]
)
def test_threads_that_openmp_understands(text, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert threads_named() == threads


@pytest.mark.parametrize("text", ["x", "-1", "0", "4,", ",", "4,x", "2.5", "4097", "9" * 5000, "٣", "4;2"])
def test_threads_that_nobody_understands(text, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    with pytest.raises(ValueError, match="OMP_NUM_THREADS: expected a number of threads from 1 to 4096, or one for"):
        threads_named()


@pytest.mark.parametrize(
    "words",
    [*([f"compare/{name}.py", "--help"] for name in COMMANDS), *(["-m", name, "info"] for name in WORKERS)],
    ids=lambda words: words[-2],
)
def test_a_bad_number_of_threads_ends_every_command_at_once(words):
    done = helpers.run(*words, status=2, environment={"OMP_NUM_THREADS": "two"})
    assert done.stderr.startswith("error: OMP_NUM_THREADS: expected a number of threads")
    assert done.stderr.count("\n") == 1


def test_nested_levels_of_threads_reach_the_framework(framework):
    done = helpers.worker(framework, "info", environment={"OMP_NUM_THREADS": "2,1"})
    assert '"framework_threads": 2' in done.stdout
    assert '"threads": 2' in done.stdout


def during_an_import(folder, words, module="numpy"):
    """A command that stands in the middle of an import."""
    code = "import time\ntry:\n    print('importing', flush=True)\n    time.sleep(60)\n"
    code += "except KeyboardInterrupt:\n    raise ImportError('as some libraries do')\n"
    (folder / f"{module}.py").write_text(code)
    environment = helpers.ENVIRONMENT | {"PYTHONPATH": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, *words], env=environment, cwd=helpers.PROJECT_ROOT, **pipes)
    assert process.stdout.readline() == "importing\n"
    return process


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["compare/table.py", "x"], "numpy"),
        (["compare/table.py", "x"], "threading"),  # of the first that are imported
        (["-m", "torch_impl", "info"], "numpy"),
    ],
    ids=lambda words: words[-2] if isinstance(words, list) else words,
)
def test_ctrl_c_during_imports_is_one_line(words, module, tmp_path):
    process = during_an_import(tmp_path, words, module)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted: everything finished so far is kept; the same command goes on from there\n"


def test_ctrl_c_that_is_ignored_stays_ignored(tmp_path):
    """As under nohup."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nfrom shared.system.start import begin; begin()\n"
    )
    code += "print(signal.getsignal(signal.SIGINT).name)"
    assert helpers.run("-c", code, environment={"PYTHONPATH": helpers.PROJECT_ROOT}).stdout == "SIG_IGN\n"


@pytest.mark.parametrize(
    ("stream", "fails", "line"),
    [
        ("stdout", "", "error: No space left on device; make room, or choose another place\n"),
        ("stdout", "it fails", "error: bad\n"),
        ("stderr", "it fails", None),
    ],
)
def test_output_that_cannot_be_written(stream, fails, line):
    """The words or, where those have no place, the status at least; never a word about Python's own end."""
    code = "import sys; from shared.system.errors import *\n"
    code += "def main():\n    print('much')\n    if sys.argv[1]: raise UserError('bad')\n"
    code += "sys.exit(exit_status(main))"
    environment = helpers.ENVIRONMENT | {"PYTHONPATH": str(helpers.PROJECT_ROOT), "PYTHONUNBUFFERED": ""}
    with open("/dev/full", "w") as full:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: full}
        done = subprocess.run([sys.executable, "-c", code, fails], **pipes, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (2, line)


def test_output_that_was_closed_before(tmp_path):
    code = "import sys; from shared.system.errors import *; sys.exit(exit_status(lambda: print(1)))"
    command = f"{sys.executable} -c '{code}' >&-"
    environment = os.environ | {"PYTHONPATH": str(helpers.PROJECT_ROOT)}
    pipes = {"capture_output": True, "text": True, "cwd": helpers.PROJECT_ROOT, "env": environment}
    done = subprocess.run(["bash", "-c", command], **pipes, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_one_line(tmp_path):
    """A limit of the size of files stands for it: the file system's own refusal comes the same way."""
    command = f"ulimit -f 1; exec {sys.executable} compare/table.py results/demo --into {tmp_path}/out"
    environment = os.environ | {"PYTHONPATH": str(helpers.PROJECT_ROOT)}
    pipes = {"capture_output": True, "text": True, "cwd": helpers.PROJECT_ROOT, "env": environment}
    done = subprocess.run(["bash", "-c", command], **pipes, check=False)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not [file for file in (tmp_path / "out").iterdir() if file.suffix == ".tmp"]
