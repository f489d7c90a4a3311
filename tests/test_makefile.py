"""What the Makefile's targets would do, by a dry run: install what is missing first, then the one command."""

import os
import shutil
import subprocess
import sys

import pytest

from tests import helpers
from tests.installation.nvidia import answers, pretend

CHOOSE = "python3 compare/wheels.py choose --kind"
INSTALL = [
    f"{CHOOSE} cpu --into .venv",
    "test -x .venv/bin/python || python3 -m venv .venv",
    "rm -f .venv/.installed*",
    ".venv/bin/pip install --upgrade pip",
    '.venv/bin/pip install --constraint constraints.txt --editable ".[cpu,dev]"',
    "touch .venv/.installed-cpu",
]
CHECKS = [".venv/bin/ruff check .", ".venv/bin/ruff format --check ."]


@pytest.fixture(autouse=True)
def no_outer_make(monkeypatch):
    """`make test` hands its level, options and variables to what it starts, and a make in there would obey them."""
    of_make = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES")
    of_the_makefile = ("ARGS", "EXTRA", "PYTHON", "GREEDYHASH_PADDLE_PYTHON")
    of_the_choice = ("CARD", "DRIVER", "TORCH_INDEX", "PADDLE_INDEX", "WHEELS")
    for name in of_make + of_the_makefile + of_the_choice:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def checkout(tmp_path):
    """This project where nothing is installed yet."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(helpers.PROJECT_ROOT / name, folder / name)
    for name in ("compare", "shared"):
        (folder / name).symlink_to(helpers.PROJECT_ROOT / name)
    return folder


@pytest.fixture
def make(checkout):
    """Calls make without letting it do anything; the lines it would run."""

    def dry_run(*words):
        done = subprocess.run(["make", "-n", *words], cwd=checkout, capture_output=True, text=True, check=True)
        return [line.strip() for line in done.stdout.splitlines() if line.strip()]

    return dry_run


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        ("benchmark", [".venv/bin/python compare/benchmark.py --bits 12"]),
        ("doctor", [".venv/bin/python compare/doctor.py --bits 12"]),
        ("test", [*CHECKS, ".venv/bin/pytest -n 2 --dist loadfile --bits 12"]),
        ("test-slow", [".venv/bin/pytest -m slow --bits 12"]),
    ],
    ids=["benchmark", "doctor", "test", "test-slow"],
)
def test_a_target_installs_and_runs_its_command(target, commands, make, checkout):
    words = (target, "EXTRA=cpu", "PYTHON=python3", "ARGS=--bits 12")
    assert make(*words) == [*INSTALL, *commands]
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".installed-cpu").touch()
    assert make(*words) == commands


def replace(environment, stamp, packages):
    """Removes what is installed where it is not what was chosen, and the file that says that it is."""
    stamp, pip = f"{environment}/{stamp}", f"{environment}/bin/pip"
    return [
        f"cmp -s {environment}/wheels.txt {stamp} || {{ rm -f {stamp} && {pip} uninstall --yes {packages}; }}",
        f"rm -f {environment}/.installed*",
    ]


GPU = [
    f"{CHOOSE} gpu --framework torch --into .venv",
    "test -x .venv/bin/python || python3 -m venv .venv",
    *replace(".venv", ".installed-gpu", "torch torchvision"),
    ".venv/bin/pip install --upgrade pip",
    ".venv/bin/pip install --requirement .venv/wheels.txt",
    '.venv/bin/pip install --constraint .venv/constraints.txt --editable ".[torch,dev]"',
    "cp .venv/wheels.txt .venv/.installed-gpu",
    f"{CHOOSE} gpu --framework paddle --into .venv-paddle",
    "test -x .venv-paddle/bin/python || python3 -m venv .venv-paddle",
    *replace(".venv-paddle", ".installed", "paddlepaddle-gpu"),
    ".venv-paddle/bin/pip install --upgrade pip",
    ".venv-paddle/bin/pip install --requirement .venv-paddle/wheels.txt",
    '.venv-paddle/bin/pip install --editable ".[paddle-gpu]"',
    "python3 compare/wheels.py link --into .venv-paddle",
    "cp .venv-paddle/wheels.txt .venv-paddle/.installed",
]
BENCHMARK = ".venv/bin/python compare/benchmark.py"


def finish_installation(checkout):
    for stamp in (".venv/.installed-gpu", ".venv-paddle/.installed"):
        (checkout / stamp).parent.mkdir(exist_ok=True)
        (checkout / stamp).touch()


def test_with_a_gpu_each_framework_has_its_own_environment(make, checkout):
    words = ("benchmark", "EXTRA=gpu", "PYTHON=python3")
    assert make(*words) == [*GPU, BENCHMARK]
    finish_installation(checkout)
    assert make(*words) == [BENCHMARK]


def test_pytorch_alone_for_the_gpu(make):
    lines = make("benchmark", "EXTRA=torch", "PYTHON=python3")
    assert lines == [*(line.replace("--kind gpu", "--kind torch") for line in GPU[:8]), BENCHMARK]


@pytest.mark.parametrize(
    ("name", "value", "option"),
    [
        ("CARD", "6.1,8.6", "--card"),
        ("DRIVER", "535.54.03", "--driver"),
        ("TORCH_INDEX", "https://an.index/cu126", "--torch-index"),
        ("PADDLE_INDEX", "https://an.index", "--paddle-index"),
    ],
)
def test_what_is_named_is_chosen_anew(name, value, option, make, checkout):
    finish_installation(checkout)
    lines = make("benchmark", "EXTRA=gpu", "PYTHON=python3", f"{name}={value}")
    named = [line.replace("--kind gpu", f'--kind gpu {option} "{value}"') for line in GPU]
    assert lines == [*named, BENCHMARK]
    assert make("benchmark", "PYTHON=python3", f"{name}={value}") == lines  # it is about a GPU


def test_a_named_card_is_a_gpu(make):
    assert make("benchmark", "CARD=8.6", "DRIVER=535.54", "PYTHON=python3")[0].startswith(f"{CHOOSE} gpu --card")


def test_a_machine_without_a_network_installs_from_a_folder(make):
    source = '--no-index --find-links "/media/my wheels"'
    words = ("benchmark", "PYTHON=python3", "WHEELS=/media/my wheels")

    def alone(line):
        if "/bin/pip install" not in line:
            return line
        return f"PIP_CONFIG_FILE=/dev/null {line.replace('pip install', f'pip install {source}')}"

    for extra, lines in (("cpu", INSTALL), ("gpu", GPU)):
        kind = f"--kind {extra}"
        expected = [alone(line).replace(kind, f'{kind} --wheels "/media/my wheels"') for line in lines]
        assert make(*words, f"EXTRA={extra}") == [*expected, BENCHMARK]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("EXTRA=cpu",), '--kind cpu --wheels "wheels"'),
        (("EXTRA=cpu", "WHEELS=/media/w"), '--kind cpu --wheels "/media/w"'),
        (("CARD=8.6", "DRIVER=535"), '--kind gpu --wheels "wheels" --card "8.6" --driver "535"'),
    ],
)
def test_a_folder_of_wheels_is_filled_by_the_python_that_it_is_for(words, options, make):
    assert make("wheels", "PYTHON=python3.12", *words) == [
        "python3.12 -m venv --clear .venv-wheels",
        ".venv-wheels/bin/pip install --upgrade pip",
        f".venv-wheels/bin/python compare/wheels.py fill {options}",
    ]


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        (answers("8.6"), 0, "gpu"),
        ("No devices were found", 6, "cpu"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9, "gpu"),
    ],
)
def test_nvidia_smi_tells_what_is_installed(said, status, kind, make, tmp_path, monkeypatch):
    pretend(monkeypatch, tmp_path / "bin", said, status)
    lines = make("benchmark", f"PYTHON={sys.executable}")
    assert (".venv/bin/pip install --requirement .venv/wheels.txt" in lines) == (kind == "gpu")
    assert (INSTALL[4] in lines) == (kind == "cpu")


def test_without_nvidia_smi_nothing_is_asked(make, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "make").symlink_to(shutil.which("make"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert make("benchmark", "PYTHON=no-such-python")[2:] == [*INSTALL[2:], BENCHMARK]


REFUSED = [
    (
        answers("3.5", driver="470.82.01"),
        0,
        "PyTorch: no wheel has code for compute capability 3.5; take another card,",
    ),
    (answers("12.0", driver="570.86.10"), 0, "PyTorch: expected driver 580 or newer, which its wheels for compute"),
    (answers("9.0"), 0, "PaddlePaddle: its wheels for compute capability 9.0 with driver 580.65.06 lie on www.paddle"),
    (answers("8.6", "12.0"), 0, "PaddlePaddle: no single wheel has code for compute capability 8.6 and 12.0; install"),
    (
        "NVIDIA-SMI has failed",
        9,
        "nvidia-smi: expected a line such as '8.6, 535.54.03' for each card, received 'NVIDIA",
    ),
]


@pytest.mark.parametrize(("said", "status", "sentence"), REFUSED)
def test_a_machine_that_no_wheels_fit_is_told_before_anything_is_installed(
    said, status, sentence, checkout, tmp_path, monkeypatch
):
    pretend(monkeypatch, tmp_path / "bin", said, status)
    for name, value in helpers.OFFLINE.items():
        monkeypatch.setenv(name, value)
    before = sorted(os.listdir(checkout))
    words = ["make", "benchmark", f"PYTHON={sys.executable}"]
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False)
    error, of_make = done.stderr.splitlines()
    assert done.returncode == 2
    assert error.startswith(f"error: {sentence}")
    assert of_make.startswith("make: *** ")
    assert sorted(os.listdir(checkout)) == before


def test_a_misspelt_extra_is_refused(checkout):
    words = ["make", "-n", "benchmark", "EXTRA=gup"]
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "EXTRA: expected cpu, gpu or torch, received 'gup'" in done.stderr


def test_a_python_that_cannot_choose_is_named(checkout, tmp_path, monkeypatch):
    pretend(monkeypatch, tmp_path / "bin", answers("8.6"))
    words = ["make", "-n", "benchmark", "PYTHON=false"]
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "PYTHON: expected Python 3.10 or newer, received 'false'" in done.stderr


def test_an_environment_keeps_its_python(make, checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").touch()
    assert make("benchmark", "EXTRA=cpu")[0] == ".venv/bin/python compare/wheels.py choose --kind cpu --into .venv"


# in place of a Python whose environments hold a pip: each notes its words
PYTHON = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exec {real} "$@"
mkdir -p "$3/bin"
cp "$0" "$3/bin/python"
printf '#!/bin/sh\necho "$@" >>{note}\n' >"$3/bin/pip"
chmod +x "$3/bin/pip"
"""


def test_other_wheels_replace_those_that_are_installed(checkout, tmp_path):
    note, python = tmp_path / "note", tmp_path / "python"
    python.write_text(PYTHON.format(real=sys.executable, note=note))
    python.chmod(0o755)

    def uninstalled(**variables):
        note.write_text("")
        words = [f"{name}={value}" for name, value in {"EXTRA": "torch", "PYTHON": python, **variables}.items()]
        command = ["make", ".venv/.installed-" + ("cpu" if variables.get("EXTRA") == "cpu" else "gpu"), *words]
        subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
        calls = note.read_text().splitlines()
        assert not calls or "install --requirement .venv/wheels.txt" in calls or variables.get("EXTRA") == "cpu"
        return "uninstall --yes torch torchvision" in calls

    card = {"CARD": "8.6", "DRIVER": "580.65.06"}
    assert uninstalled(**card)
    assert not uninstalled(**card)
    assert not uninstalled(CARD="9.0", DRIVER="590.1")  # the same wheels
    assert uninstalled(TORCH_INDEX="https://a.mirror/cu130")
    assert not uninstalled()  # what is installed stays
    assert not uninstalled(EXTRA="cpu")
    assert uninstalled(**card)  # the CPU's set has the same files


@pytest.mark.parametrize(("extra", "named"), [("gpu", "{}/.venv-paddle/bin/python"), ("cpu", ""), ("torch", "")])
def test_the_benchmark_is_told_of_paddles_interpreter(extra, named, checkout):
    (checkout / "show.mk").write_text("include Makefile\nshow:\n\t@echo $$GREEDYHASH_PADDLE_PYTHON\n")
    words = ["make", "-f", "show.mk", "show", f"EXTRA={extra}"]
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == named.format(checkout)
