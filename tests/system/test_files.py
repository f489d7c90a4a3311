"""Files that are whole or absent, whoever else writes, whatever a stranger's folder holds, and when the power fails."""

import itertools
import os
import re
import shutil
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from compare.page.freshness import is_up_to_date
from compare.page.report import write_report
from compare.tables.table import write_table
from shared.checkpoint import weights
from shared.network.initial import initial_weights
from shared.system import files
from shared.system.errors import UserError, exit_status
from shared.system.files import (
    append_to,
    atomic_path,
    check_links,
    check_writable,
    folder_lock,
    new_folder,
    scratch_beside,
)
from shared.training.runs import Run
from tests import helpers

DEAD = 2**22 + 1  # beyond the largest number of a process
HERE = files._HOST


@pytest.fixture
def suite(tmp_path):
    """A stranger's suite: its rows, as they are published."""
    return shutil.copytree(helpers.PROJECT_ROOT / "results" / "demo", tmp_path / "suite")


@pytest.fixture
def victim(tmp_path):
    """A file that nobody may write to by way of a link."""
    path = tmp_path / "elsewhere" / "victim"
    path.parent.mkdir()
    path.write_text("precious")
    yield path
    assert path.read_text() == "precious"
    assert os.listdir(path.parent) == ["victim"]


def test_a_link_is_replaced_and_not_what_it_leads_to(victim, tmp_path):
    link = tmp_path / "table.csv"
    link.symlink_to(victim)
    files.write_text(link, "new")
    assert not link.is_symlink()
    assert link.read_text() == "new"


def test_a_link_that_leads_nowhere_creates_nothing(tmp_path):
    (tmp_path / "table.csv").symlink_to(tmp_path / "none")
    files.write_text(tmp_path / "table.csv", "new")
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_lock_neither_follows_a_link_nor_empties_a_file(victim, tmp_path, capsys):
    (tmp_path / ".lock").write_text("kept")
    with folder_lock(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "kept"
    (tmp_path / ".lock").unlink()
    (tmp_path / ".lock").symlink_to(victim)
    assert exit_status(lambda: folder_lock(tmp_path).__enter__()) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/.lock: Too many levels of symbolic links; nothing is written through a link: remove it\n"
    )


@pytest.mark.parametrize("name", ["worker.log", "log.jsonl"])
def test_a_log_is_not_continued_through_a_link(name, victim, tmp_path, capsys):
    (tmp_path / name).symlink_to(victim)
    write = {"worker.log": lambda: append_to(tmp_path / name), "log.jsonl": lambda: Run(tmp_path).append_log({})}[name]
    assert exit_status(write) == 2
    assert "nothing is written through a link" in capsys.readouterr().err


def test_a_log_that_is_a_pipe_is_refused_at_once(tmp_path, capsys):
    os.mkfifo(tmp_path / "worker.log")
    assert exit_status(lambda: append_to(tmp_path / "worker.log")) == 2
    assert "a pipe or a device" in capsys.readouterr().err


def test_table_and_report_overwrite_nothing_elsewhere(suite, victim):
    drawn = ("figures/learning_rate.svg", "figures/learning_rate.png")
    names = ("table.md", "table.csv", "table.json", "report.html", "codes.json", *drawn)
    for name in names:
        (suite / name).parent.mkdir(exist_ok=True)
        (suite / name).unlink(missing_ok=True)
        (suite / name).symlink_to(victim)
    write_table(suite)
    write_report(suite)
    assert not [name for name in names if (suite / name).is_symlink() and name != "codes.json"]


@pytest.mark.parametrize("name", ["figures", "init", "torch", "paddle/bits12-seed2000", "control"])
def test_a_folder_that_is_a_link_is_refused(name, suite, victim):
    if (suite / name).exists():
        shutil.rmtree(suite / name)
    (suite / name).symlink_to(victim.parent)
    for write in (check_links, write_table, write_report):
        with pytest.raises(UserError, match=f"{name}: expected a folder, received a link"):
            write(suite)


def test_the_users_own_folder_may_be_a_link(suite, tmp_path):
    (tmp_path / "mine").symlink_to(suite)
    assert write_table(tmp_path / "mine") == write_table(suite)


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        (f".x.bin.{HERE}.{DEAD}.tmp", True),
        (f".x.bin.{DEAD}.tmp", True),  # as they were called at first
        (f".x.bin.{HERE}.{os.getpid()}.tmp", True),  # a process of old that had this number
        (f".x.bin.{HERE}.{os.getppid()}.tmp", False),
        (f".x.bin.another-machine.{DEAD}.tmp", False),
        (f".x.bin.more.{HERE}.{DEAD}.tmp", False),
        (f".y.bin.{HERE}.{DEAD}.tmp", False),
        (f"x.bin.{HERE}.{DEAD}.tmp", False),
        (".x.bin.tmp", False),
    ],
    # pytest-xdist wants the same names in every process
    ids=["dead", "old", "reused", "alive", "elsewhere", "longer", "another", "visible", "nobody's"],
)
def test_what_a_killed_writer_left_is_removed(name, goes, tmp_path):
    (tmp_path / name).write_bytes(bytes(100))
    files.write_text(tmp_path / "x.bin", "new")
    assert (tmp_path / name).exists() != goes


def test_what_a_killed_writer_left_in_a_folder_is_removed(tmp_path):
    left = tmp_path / f".x.ckpt.{HERE}.{DEAD}.tmp"
    left.mkdir()
    (left / "neutral.safetensors").write_bytes(bytes(100))
    with scratch_beside(tmp_path / "x.ckpt") as folder:
        (folder / "part").write_text("")
        assert os.listdir(tmp_path) == [folder.name]
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_permissions_are_those_of_any_new_file(mask, tmp_path):
    before = os.umask(mask)
    try:
        weights.save(tmp_path / "a.safetensors", {"a": np.zeros(3, np.float32)}, {})
        files.write_text(tmp_path / "b", "")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.safetensors", "b")}
    assert modes == {0o666 & ~mask}


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    replace, sync = os.replace, os.fsync
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("replace"), replace(*paths)))
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append(stat.S_ISDIR(os.fstat(fd).st_mode)), sync(fd)))
    files.write_text(tmp_path / "a", "text")
    assert done == [False, "replace", True]
    done.clear()
    Run(tmp_path).append_log({"epoch": 1})
    assert done == [False]


def test_what_went_wrong_is_told_and_not_what_went_wrong_after_it(tmp_path, monkeypatch):
    """A file system that can only be read lets nothing be removed either."""

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    def write():
        with atomic_path(tmp_path / "a"):
            monkeypatch.setattr(type(tmp_path), "unlink", refuse)
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=f"cannot write {tmp_path}/a: No space left"):
        write()


def test_weights_that_find_no_room_are_one_line(tmp_path):
    code = "import sys, numpy as np\nfrom pathlib import Path\nfrom shared.checkpoint import weights\n"
    code += "from shared.system.errors import exit_status\narrays = {'a': np.zeros(10**6, np.float32)}\n"
    code += "sys.exit(exit_status(lambda: weights.save(Path(sys.argv[1]), arrays, {})))"
    command = f'ulimit -f 100; exec {sys.executable} -c "$1" {tmp_path}/a.safetensors'
    pipes = {"capture_output": True, "text": True, "cwd": helpers.PROJECT_ROOT, "env": helpers.ENVIRONMENT}
    done = subprocess.run(["bash", "-c", command, "-", code], **pipes, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"error: cannot write \S+/a.safetensors: .*File too large.*; make room, .*\n", done.stderr)
    assert not os.listdir(tmp_path)


def test_a_torch_file_that_finds_no_room_is_one_line(real_processes, tmp_path):
    torch_files = [str(helpers.PROJECT_ROOT / "shared" / "system" / "entry.py"), "torch_impl.checkpoint_writer"]
    arrays = initial_weights(helpers.small_recipe(), {})
    weights.save(tmp_path / "a.safetensors", arrays, {})
    words = " ".join([*torch_files, f"{tmp_path}/a.safetensors", f"{tmp_path}/out/a.pt", "ours"])
    command = f"ulimit -f 100; exec {helpers.default_python('torch')} {words}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=helpers.ENVIRONMENT, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: cannot write {tmp_path}/out/a.pt: File too large; raise the limit of")
    assert done.stderr.count("\n") == 1
    assert not os.listdir(tmp_path / "out")


def test_a_folder_made_for_nothing_goes_again(tmp_path):
    folder = tmp_path / "a" / "b"

    def refused(write):
        with new_folder(folder):
            write()
            raise UserError("refused")

    for write, left in (
        (list, False),
        (lambda: files.write_text(folder / "result", ""), True),
        ((folder / "result").unlink, True),  # it was there before
    ):
        with pytest.raises(UserError, match="refused"):
            refused(write)
        assert folder.exists() == left
        assert (tmp_path / "a").exists() == left


def test_a_folder_that_cannot_be_written_is_known_before(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert not os.listdir(tmp_path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "x", "/proc/x", "/dev/null/x"):
        with pytest.raises(UserError, match="cannot write to the folder"):
            check_writable(type(tmp_path)(path))


def test_table_and_report_are_up_to_date_until_something_is_new(suite):
    shown = [suite / name for name in ("table.md", "table.csv", "table.json", "report.html")]
    seconds = itertools.count(int(time.time()) + 1)

    def touch(*paths):
        now = next(seconds)
        for path in paths:
            os.utime(path, (now, now))

    touch(*shown)
    assert is_up_to_date(suite)
    for name in ("suite.json", "torch/bits12-seed2000/result.json", "paddle/bits12-seed2000/log.jsonl"):
        touch(suite / name)
        assert not is_up_to_date(suite)
        touch(*shown)
        assert is_up_to_date(suite)
    (suite / "table.csv").unlink()
    assert not is_up_to_date(suite)
