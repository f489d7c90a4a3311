"""The grid run elsewhere: on a Ray of two workers, on nodes that share no folder, as cells of a batch scheduler."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from compare.frameworks.worker import Worker, default_python
from compare.suite import node
from compare.suite.cells import Cell, Task
from compare.suite.cluster import LOCAL, RayExecutor
from compare.suite.run_folders import finished_runs
from shared.system.errors import UserError
from shared.system.files import write_text
from shared.training.runs import Run
from tests import helpers
from tests.fakes import interpreter
from tests.helpers import BLOCKING, check_same_numbers, wait_until

FRAMEWORKS = ("torch", "paddle")


def start(*arguments, python=sys.executable):
    command = [python, "compare/benchmark.py", "--skip-align", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=helpers.PROJECT_ROOT, env=helpers.ENVIRONMENT, **pipes)


def descendants(pid):
    for child in helpers.children(pid):
        yield child
        yield from descendants(child)


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def kill_ray_process_above(driver, module):
    """Kill the process of Ray that started the training worker of ``module``."""
    (worker,) = (pid for pid in descendants(driver.pid) if f"entry.py {module} train" in command_of(pid))
    ray_process = parent_of(worker)
    assert command_of(ray_process).startswith("ray::")
    os.kill(ray_process, signal.SIGKILL)


def check_suite(out, expected):
    for framework in FRAMEWORKS:
        check_same_numbers(*(Run(folder / framework / "bits12-seed2000") for folder in (out, expected)))


def test_suite_outlives_a_killed_process_of_ray(small_suite, tmp_path):
    driver = start("--out", tmp_path, *helpers.SMALL, "--executor", "ray")
    resume = Run(tmp_path / "paddle" / "bits12-seed2000").resume_folder
    wait_until(lambda: any(resume.glob("last.s*")), seconds=120)
    kill_ray_process_above(driver, "paddle_impl")
    output, errors = driver.communicate(timeout=120)
    assert driver.returncode == 0, errors
    assert errors.count("paddle:12:2000: [1/2] PaddlePaddle, 12 bits, seed 2000 on cpu of") == 2
    assert errors.count("torch:12:2000: [2/2] PyTorch Lightning, 12 bits, seed 2000 on cpu of") == 1
    assert "paddle:12:2000: going on after epoch" in errors
    assert re.search(r"torch:12:2000: epoch 3/3 .* mAP", errors)
    assert (tmp_path / "table.md").read_text().strip() in output
    check_suite(tmp_path, small_suite)


def failing(folder, framework, status):
    """The option for an interpreter whose workers, told to train, end with ``status`` and a last word."""
    script = f'case "$*" in *" train "*) echo "error: last word"; exit {status};; esac\n'
    return f"--{framework}-python", interpreter(folder, script + f'exec "{default_python(framework)}" "$@"')


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_dead_worker_leaves_the_others_running(executor, tmp_path):
    options = ("--preset", "demo", "--bits", "12", "--epochs", "1", "--frameworks", "torch", "paddle")
    arguments = ("--out", tmp_path, *options, "--executor", executor)
    done = helpers.benchmark(*arguments, *failing(tmp_path, "torch", 7), status=3)
    assert "the PyTorch Lightning worker died (exit status 7)" in done.stderr
    assert "last word" in done.stderr
    assert [run.result()["framework"] for run in finished_runs(tmp_path)] == ["paddle"]
    assert "PyTorch Lightning: no run finished yet" in done.stdout


@pytest.mark.slow
def test_a_task_of_ray_takes_as_many_cores_as_its_worker_has_threads(tmp_path):
    """So many of the cluster's cores are taken while a worker that waits for a word is being asked what it is."""
    ray, cores = pytest.importorskip("ray"), len(os.sched_getaffinity(0))
    if cores < 2:
        pytest.skip("one core cannot be shared")
    going_on = tmp_path / "go on"
    script = f"touch {tmp_path}/begun; while ! test -e '{going_on}'; do sleep 0.1; done; exit 2"
    worker = Worker("torch", str(interpreter(tmp_path, script)), threads=cores)
    with closing(RayExecutor(LOCAL, "cpu", cores)) as executor, ThreadPoolExecutor(1) as pool:
        info = pool.submit(executor.info, worker, "cpu")
        try:
            wait_until(lambda: (tmp_path / "begun").exists() or info.done())
            left = ray.available_resources().get("CPU", 0)
        finally:
            going_on.touch()
        assert ray.cluster_resources()["CPU"] - left == cores
        assert isinstance(info.exception(60), UserError)


def test_bad_input_on_a_node_is_bad_input_here(tmp_path):
    options = ("--preset", "demo", "--bits", "12", "--frameworks", "paddle", "--executor", "ray")
    done = helpers.benchmark("--out", tmp_path, *options, *failing(tmp_path, "paddle", 2), status=2)
    assert done.stderr.splitlines()[-1] == "error: last word"


def on_a_far_node(monkeypatch, suite, folder, data):
    """A Paddle cell of ``suite`` as a node sees it that has a cache of its own; the original and its parcel."""
    monkeypatch.setenv("GREEDYHASH_CACHE", str(folder / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    worker = Worker("paddle", default_python("paddle"))
    task = Task(Cell("paddle", 12, 2000), "[1/1]", worker, "cpu", folder / "out", data)
    source = dataclasses.replace(task, out=suite)
    return task, source, node.Parcel(source.run.recipe(), source.initial_weights.read_bytes())


def test_node_that_shares_no_folder_sends_the_run_home(small_suite, tmp_path, monkeypatch):
    task, source, parcel = on_a_far_node(monkeypatch, small_suite, tmp_path, "digits")
    lines = []
    assert node.execute(task, "token", None, lines.append) is None
    write_text(task.out / node.MARK, "another driver's")
    assert node.execute(task, "token", None, lines.append) is None
    files = node.execute(task, "token", parcel, lines.append)
    assert not task.run.folder.exists()
    assert any('"phase": "train"' in line for line in lines)
    assert not any((tmp_path / "cache" / "cells").iterdir())
    node.unpack(files, task.run)
    check_same_numbers(task.run, source.run)
    left_by_others = {".lock", "codes.faiss"}  # the index that retrieve.py and serve.py store on first use
    names = {file.name for file in source.run.folder.iterdir()}
    assert names - left_by_others == {Path(name).parts[0] for name in files}


def test_bad_input_on_a_node_that_shares_no_folder(small_suite, tmp_path, monkeypatch):
    task, _, parcel = on_a_far_node(monkeypatch, small_suite, tmp_path, str(tmp_path / "none"))
    failure = node.execute(task, "token", parcel, [].append)
    assert isinstance(failure, UserError)
    assert "no such data" in str(failure)


def test_node_keeps_a_run_and_its_control_on_other_threads_apart(small_suite, tmp_path, monkeypatch):
    """Both have one recipe; what a failed run leaves is the state to go on from, which is not the control's."""
    task, _, parcel = on_a_far_node(monkeypatch, small_suite, tmp_path, str(tmp_path / "none"))
    for threads in (1, 2):
        worker = dataclasses.replace(task.worker, threads=threads)
        assert isinstance(node.execute(dataclasses.replace(task, worker=worker), "token", parcel, [].append), UserError)
    assert len(list((tmp_path / "cache" / "cells").iterdir())) == 2


def test_cells_of_a_scheduler_share_a_folder(small_suite, tmp_path):
    """Started at the same moment, they make the folder, its initial weights and their runs together."""
    python = helpers.prepared_python.get("commands", sys.executable)
    options = ("--out", tmp_path, *helpers.SMALL)
    cells = [start(*options, "--cell", f"{name}:12:2000", python=python) for name in FRAMEWORKS]
    for process in cells:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert "the same command without --cell writes the table" in output
    assert not (tmp_path / "table.md").exists()
    check_suite(tmp_path, small_suite)
    done = helpers.benchmark("--out", tmp_path, *helpers.SMALL)
    assert done.stderr.count(": kept, mAP") == 2
    tables = [pd.read_csv(folder / "table.csv").map_last.tolist() for folder in (tmp_path, small_suite)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("cell", ["torch:16:2000", "torch:12:1", "jax:12:2000", "torch:12", "torch:12:x"])
def test_unknown_cell_is_refused(cell, tmp_path):
    """Before any framework is imported: each would say that it cannot be."""
    broken = [word for name in FRAMEWORKS for word in (f"--{name}-python", "/bin/false")]
    done = helpers.benchmark("--out", tmp_path, *helpers.SMALL, *broken, "--cell", cell, status=2)
    assert done.stderr.startswith("error: --cell: expected")
    assert cell in done.stderr


def test_cell_needs_a_preset_that_is_the_same_on_every_node(tmp_path):
    done = helpers.benchmark("--out", tmp_path, "--cell", "torch:12:2000", status=2)
    assert "error: --cell: expected --preset paper or cpu or small or demo or " in done.stderr


def test_ray_that_is_not_installed(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKING.format(framework="ray"))
    environment = {"PYTHONPATH": tmp_path}
    done = helpers.benchmark("--out", tmp_path, "--executor", "ray", status=2, environment=environment)
    assert "pip install -e '.[cluster]'" in done.stderr


def test_address_where_no_cluster_answers(tmp_path):
    done = helpers.benchmark("--out", tmp_path, "--executor", "ray", "--ray-address", "127.0.0.1:1", status=2)
    assert "--ray-address: expected a Ray cluster that answers, received 127.0.0.1:1" in done.stderr
