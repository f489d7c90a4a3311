"""What pip is told to install before the project itself, and what it is told of the project's own constraints."""

import ast
import re
import sys

import pytest

from compare import wheels
from compare.installation.plan import Named, frameworks_of, plans, write_plan
from shared.system.errors import UserError, exit_status
from tests import helpers
from tests.installation.nvidia import always, answers, never, pretend

START = [helpers.PROJECT_ROOT / "shared" / "system" / name for name in ("entry.py", "start.py")]
CONSTRAINTS = (helpers.PROJECT_ROOT / "constraints.txt").read_text()


def written(plan, folder, offline=False):
    """The lines of the requirements but the first, and the constraints."""
    write_plan(plan, folder, offline)
    first, *lines = (folder / "wheels.txt").read_text().splitlines()
    assert first.startswith("# written by make: ")
    return lines, (folder / "constraints.txt").read_text()


def plan_for(kind, card, driver, reached=always, **indexes):
    return plans(kind, Named(card, driver, indexes), reached)


def test_the_registrys_pytorch_obeys_all_constraints(tmp_path):
    (plan,) = plan_for("torch", "8.6", "580.65.06")
    assert written(plan, tmp_path) == (
        ["--constraint constraints.txt", "torch>=2.14", "torchvision>=0.29"],
        CONSTRAINTS,
    )


def test_another_pytorch_is_not_constrained_to_the_registrys(tmp_path):
    (plan,) = plan_for("torch", "6.1", "535.54.03")
    index = "--index-url https://download.pytorch.org/whl/cu126"
    lines, constraints = written(plan, tmp_path)
    assert lines == [index, "torch==2.14.*", "torchvision==0.29.*"]
    gone = set(CONSTRAINTS.splitlines()) - set(constraints.splitlines())
    assert sorted(re.split("==", line)[0] for line in gone) == ["torch", "torchvision", "triton"]
    assert "torchmetrics==" in constraints


def test_each_framework_has_its_own(tmp_path):
    torch, paddle = plan_for("gpu", "9.0", "550.54.14")
    assert (torch.framework, torch.row, paddle.framework, paddle.row) == (
        "torch",
        "CUDA 12.6",
        "paddle",
        "3.x, CUDA 12.6",
    )
    index = "--index-url https://www.paddlepaddle.org.cn/packages/stable/cu126/"
    assert written(paddle, tmp_path) == ([index, "paddlepaddle-gpu>=3.0,<4"], "")


def test_the_old_paddle_comes_with_cudas_libraries(tmp_path):
    _, paddle = plan_for("gpu", "8.6", "580.65.06", reached=never)
    lines, _ = written(paddle, tmp_path)
    assert "paddlepaddle-gpu==2.6.2" in lines
    assert {"nvidia-cudnn-cu11==8.6.0.163", "nvidia-cublas-cu11==11.11.3.6", "nvidia-cuda-nvrtc-cu11==11.8.89"} <= set(
        lines
    )


@pytest.mark.parametrize("kind", ["torch", "gpu"])
def test_a_named_index_is_taken_whatever_the_card(kind, tmp_path, monkeypatch):
    pretend(monkeypatch, tmp_path / "bin", "", status=9)
    named = {"torch": "https://a.mirror/cu130", "paddle": "file:///wheels"}
    named = dict(list(named.items())[: len(frameworks_of(kind))])
    found = plan_for(kind, None, None, **named)
    assert [plan.index for plan in found] == list(named.values())
    lines, constraints = written(found[0], tmp_path)
    assert lines == ["--index-url https://a.mirror/cu130", "torch>=2.14", "torchvision>=0.29"]
    assert not re.search(r"^torch==", constraints, flags=re.MULTILINE)


def test_without_a_network_no_index_is_named(tmp_path):
    (plan,) = plan_for("torch", "6.1", "535.54.03")
    assert written(plan, tmp_path, offline=True)[0] == ["torch==2.14.*", "torchvision==0.29.*"]


@pytest.mark.parametrize("address", ["mirror", "ftp://x", "https://a b", "https://x\n--pre"])
def test_an_index_is_an_address(address):
    with pytest.raises(UserError, match=r"^TORCH_INDEX: expected an address \(https://\.\.\.\), received"):
        plan_for("torch", None, None, torch=address)


def test_nothing_is_written_when_one_framework_cannot_be_had(tmp_path, capsys):
    machine = ["--card", "8.6,12.0", "--driver", "580.65.06"]
    words = ["choose", *machine, "--framework", "torch", "--into", str(tmp_path / "env")]
    assert exit_status(lambda: wheels.main(words)) == 2
    said = "error: PaddlePaddle: no single wheel has code for compute capability 8.6 and 12.0; install for one kind"
    assert capsys.readouterr().err.startswith(said)
    assert not (tmp_path / "env").exists()
    assert exit_status(lambda: wheels.main([*words, "--kind", "torch"])) == 0
    assert (tmp_path / "env" / "wheels.txt").exists()


def test_the_command_shows_what_a_machine_gets(capsys, monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, answers("8.6"))
    wheels.main(["show", "--kind", "torch"])
    wheels.main(["kind"])
    wheels.main(["show", "--kind", "cpu"])
    said = "PyTorch CUDA 13, for compute capability 8.6 with driver 580.65.06\ngpu\n"
    assert capsys.readouterr().out == f"{said}the registry's wheels of both frameworks, for the CPU\n"


@pytest.mark.parametrize(("action", "option"), [("link", "--into"), ("fill", "--wheels")])
def test_an_option_that_is_missing_is_named(action, option, capsys):
    assert exit_status(lambda: wheels.main([action, "--kind", "cpu"])) == 2
    assert capsys.readouterr().err == f"error: {action}: expected {option} beside it, received none\n"


@pytest.mark.parametrize(
    ("kind", "words", "names"),
    [
        ("cpu", ["--card", "8.6", "--driver", "580"], "CARD and DRIVER"),
        ("cpu", ["--torch-index", "https://x"], "TORCH_INDEX"),
        ("torch", ["--card", "8.6", "--driver", "580", "--paddle-index", "https://x"], "PADDLE_INDEX"),
    ],
)
def test_what_is_named_in_vain_is_refused(kind, words, names, capsys, tmp_path):
    for action in (["choose", "--into", str(tmp_path)], ["fill", "--wheels", str(tmp_path)], ["show"]):
        assert exit_status(lambda action=action: wheels.main([*action, "--kind", kind, *words])) == 2
        assert capsys.readouterr().err == (
            f"error: {names}: expected none beside EXTRA={kind}, which installs nothing by it; leave it out, or take "
            "another EXTRA\n"
        )


def test_an_environment_of_another_python_is_not_installed_into(tmp_path, capsys):
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.2\n")
    words = ["choose", "--kind", "cpu", "--into", str(tmp_path)]
    assert exit_status(lambda: wheels.main(words)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: PYTHON: expected Python 3.9, with which {tmp_path} was made, received 3.")
    (tmp_path / "pyvenv.cfg").write_text(f"version = {sys.version.split()[0]}\n")
    assert exit_status(lambda: wheels.main(words)) == 0


@pytest.mark.parametrize("file", [*helpers.PROJECT_ROOT.glob("compare/*.py"), *START], ids=lambda file: file.name)
def test_an_old_python_reads_what_tells_it_so(file):
    ast.parse(file.read_text(), feature_version=(3, 6))


@pytest.mark.usefixtures("real_processes")
def test_the_command_needs_the_standard_library_alone(tmp_path):
    file = helpers.PROJECT_ROOT / "compare" / "wheels.py"
    done = helpers.run("-S", file, "table", cwd=tmp_path, environment={"PYTHONPATH": ""})
    assert "| PyTorch CUDA 13 | 7.5, 8.0, 8.6, 9.0, 10.0, 12.0 | 580 | 3.10-3.15 | registry |" in done.stdout
