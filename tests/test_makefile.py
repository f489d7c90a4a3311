"""What the Makefile's targets would do, by a dry run: install what is missing first, then the one command."""

import shutil
import subprocess

import pytest

from tests import helpers

INSTALL = [
    "test -x .venv/bin/python || python3 -m venv .venv",
    ".venv/bin/pip install --upgrade pip",
    '.venv/bin/pip install --constraint constraints.txt --editable ".[cpu,dev]"',
    "touch .venv/.installed-cpu",
]
CHECKS = [".venv/bin/ruff check .", ".venv/bin/ruff format --check ."]


@pytest.fixture(autouse=True)
def no_outer_make(monkeypatch):
    """`make test` hands its level, options and variables to what it starts, and a make in there would obey them."""
    of_make = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES")
    of_the_makefile = ("ARGS", "EXTRA", "PADDLE_INDEX", "PYTHON", "GREEDYHASH_PADDLE_PYTHON")
    for name in of_make + of_the_makefile:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make(tmp_path):
    """Calls make where nothing is installed yet, without letting it do anything; the lines it would run."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(helpers.PROJECT_ROOT / name, tmp_path / name)

    def dry_run(*words):
        done = subprocess.run(["make", "-n", *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    return dry_run


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        ("benchmark", [".venv/bin/python compare/benchmark.py --bits 12"]),
        ("test", [*CHECKS, ".venv/bin/pytest -n 2 --dist loadfile --bits 12"]),
        ("test-slow", [".venv/bin/pytest -m slow --bits 12"]),
    ],
)
def test_a_target_installs_and_runs_its_command(target, commands, make, tmp_path):
    words = (target, "EXTRA=cpu", "PYTHON=python3", "ARGS=--bits 12")
    assert make(*words) == [*INSTALL, *commands]
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed-cpu").touch()
    assert make(*words) == commands


def test_with_a_gpu_each_framework_has_its_own_environment(make):
    lines = make("benchmark", "EXTRA=gpu", "PYTHON=python3", "PADDLE_INDEX=https://an.index")
    installed = [line for line in lines if " install " in line and "upgrade" not in line]
    assert installed == [
        '.venv/bin/pip install --constraint constraints.txt --editable ".[torch,dev]"',
        '.venv-paddle/bin/pip install --extra-index-url https://an.index --editable ".[paddle-gpu]"',
    ]
    assert lines[-1].strip() == ".venv/bin/python compare/benchmark.py"


@pytest.mark.parametrize(("extra", "named"), [("gpu", "{}/.venv-paddle/bin/python"), ("cpu", "")])
def test_the_benchmark_is_told_of_paddles_interpreter(extra, named, make, tmp_path):
    (tmp_path / "show.mk").write_text("include Makefile\nshow:\n\t@echo $$GREEDYHASH_PADDLE_PYTHON\n")
    words = ["make", "-f", "show.mk", "show", f"EXTRA={extra}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == named.format(tmp_path)
