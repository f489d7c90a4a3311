"""Workers run this clone's code wherever one stands, and end with whoever started them, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compare.frameworks.worker import Worker, default_python
from shared.system.errors import UserError
from shared.system.files import ENTRY
from shared.system.progress import Progress
from tests import helpers
from tests.fakes import interpreter
from tests.helpers import wait_until

pytestmark = pytest.mark.usefixtures("real_processes")

# what a library or one of this project's packages is called
HOSTILE = ("torch", "paddle", "lightning", "numpy", "random", "shared", "torch_impl", "paddle_impl", "compare", "ray")


@pytest.fixture
def hostile(tmp_path):
    """A folder to stand in, with modules that leave a trace when they are imported."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in HOSTILE:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'a').write({name!r})\n")
    yield folder
    assert not (tmp_path / "trace").exists(), f"imported: {(tmp_path / 'trace').read_text()}"


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid):
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


@pytest.fixture(autouse=True)
def hangups_are_heard():
    """Where nohup runs the tests they are ignored, and children would inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def start_parent(how, folder):
    """The parent, and the numbers of its workers once they are asleep."""
    command = [sys.executable, "-m", "tests.children.parent", how, folder / "log"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    environment = helpers.ENVIRONMENT | {"SLEEPERS": str(folder)}
    process = subprocess.Popen(command, cwd=helpers.PROJECT_ROOT, env=environment, **pipes)

    def sleepers():
        return {int(name) for name in os.listdir(folder) if name.isdecimal()}

    wait_until(lambda: len(sleepers()) == (2 if how == "side by side" else 1))
    return process, sleepers()


@pytest.mark.parametrize(
    ("how", "number"),
    [
        *((how, signal.SIGKILL) for how in ("run", "output", "writer", "dialogue", "side by side")),
        ("output", signal.SIGTERM),
        ("output", signal.SIGHUP),
    ],
)
def test_a_worker_ends_with_its_parent(how, number, tmp_path):
    """Whatever way it was started: it is busy, and neither reads nor writes."""
    process, sleepers = start_parent(how, tmp_path)
    assert all(map(is_running, sleepers))
    process.send_signal(number)
    process.communicate()
    assert process.returncode == -number
    wait_until(lambda: not any(map(is_running, sleepers)), seconds=5)


@pytest.mark.parametrize("how", ["run", "output", "dialogue", "side by side"])
def test_ctrl_c_ends_the_workers_at_once(how, tmp_path):
    process, sleepers = start_parent(how, tmp_path)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(errors.splitlines()) == 1
    assert not any(map(is_running, sleepers))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_convert_leaves_neither_worker_nor_scratch(number, tmp_path, files):
    """Killed at once, it leaves a folder that the next start removes."""
    python = interpreter(tmp_path, "exec cat")  # which ends with its standard input
    target = tmp_path / "out" / "model.ckpt"
    command = ["compare/convert.py", str(files["neutral"]), str(target), "--torch-python", str(python)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": helpers.PROJECT_ROOT}
    process = subprocess.Popen([sys.executable, *command], env=helpers.ENVIRONMENT, **quiet)
    wait_until(lambda: children_of(process.pid))
    (worker,) = children_of(process.pid)
    process.send_signal(number)
    status = process.wait(timeout=60)
    wait_until(lambda: not is_running(worker), seconds=5)
    if number != signal.SIGKILL:
        assert status == 128 + number
    else:
        assert [name.startswith(".model.ckpt.") for name in os.listdir(target.parent)] == [True]
        interpreter(tmp_path, "exit 7")
        helpers.run(*command, status=3)
    assert not os.listdir(target.parent)


@pytest.mark.parametrize("option", ["-u", "-P", "-E"])
def test_the_entry_finds_this_clone_alone(option, hostile):
    """Whatever the interpreter's options, neither the folder one stands in nor that of the file is looked into."""
    if option == "-P" and sys.version_info < (3, 11):
        pytest.skip("an option of Python 3.11")
    done = helpers.run(option, ENTRY, "tests.children.paths", "word", cwd=hostile)
    path, arguments = done.stdout.splitlines()
    paths = path.split(os.pathsep)
    assert paths[0] == str(helpers.PROJECT_ROOT)
    assert not {"", str(hostile), str(ENTRY.parent)} & set(paths)
    assert arguments == "word"


def test_a_torch_file_is_written_by_this_clone(hostile, files):
    convert = helpers.PROJECT_ROOT / "compare" / "convert.py"
    helpers.run(convert, files["neutral"], hostile / "x.ckpt", cwd=hostile)
    assert (hostile / "x.ckpt").exists()


def test_a_framework_is_not_taken_from_where_one_stands(framework, hostile, monkeypatch):
    monkeypatch.chdir(hostile)
    monkeypatch.setenv("PYTHONPATH", f"{hostile}:")
    assert Worker(framework, default_python(framework)).info()["environment"]["framework"] == framework


LAST_WORDS = 'echo loading; echo "error: the reason" >&2; echo "Exception ignored in: x" >&2; echo OSError >&2; exit 2'


def test_the_line_that_tells_the_error_is_shown(tmp_path):
    worker = Worker("torch", str(interpreter(tmp_path, LAST_WORDS)))
    with pytest.raises(UserError, match=r"^the reason$"):
        worker.output_of_verb("info")
    with pytest.raises(UserError, match=r"^the reason$"):
        worker.run(["train"], tmp_path / "log", Progress())


def test_an_interpreter_that_ends_without_a_word(tmp_path):
    with pytest.raises(UserError, match="exit status 2, without a message"):
        Worker("torch", str(interpreter(tmp_path, "exit 2"))).output_of_verb("info")


def test_who_named_an_interpreter(monkeypatch):
    variables = {"torch": "GREEDYHASH_TORCH_PYTHON", "paddle": "GREEDYHASH_PADDLE_PYTHON"}
    for variable in variables.values():
        monkeypatch.delenv(variable, raising=False)
    for name, variable in variables.items():
        (other,) = variables.keys() - {name}
        assert (Worker(name).named, Worker(name).python) == (False, sys.executable)
        assert (Worker(name, "/x").named, Worker(name, "/x").python) == (True, "/x")
        monkeypatch.setenv(variable, "/y")
        assert (Worker(name).named, Worker(name).python) == (True, "/y")
        assert (Worker(name, "/x").named, Worker(name, "/x").python) == (True, "/x")
        assert not Worker(other).named
        monkeypatch.setenv(variable, "")
        assert (Worker(name).named, Worker(name).python) == (False, sys.executable)
