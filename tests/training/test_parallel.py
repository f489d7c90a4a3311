"""Two processes train as one does, to rounding; a rank that dies ends the run, which then goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compare.frameworks.worker import default_python
from compare.suite.run_folders import finished_runs
from shared.checkpoint import weights
from shared.checkpoint.checkpoint import read_checkpoint
from shared.codes.codes import Codes
from shared.network.flops import check_memory
from shared.network.initial import initial_weights
from shared.system.errors import UserError
from shared.training.launch import check_counts, make_layout
from shared.training.runs import Run
from tests import helpers
from tests.helpers import wait_until

# relative norm of a parameter's difference in float64; measured up to 3e-15
FLOAT64_LIMIT = 1e-12
# of all parameters' difference, relative to what training changed: 1e-6 in float32 where no ReLU falls the other way,
# 0.02 on processors where one does; gradients that are summed instead of averaged make it about 1
FLOAT32_LIMIT = 0.25
# the fourth and last batch of an epoch is one image: the parts of two ranks differ, and one of them is empty
BATCH_SIZE, EPOCHS = 333, 2


def recipe_of(**changes):
    return helpers.small_recipe(
        **{"epochs": EPOCHS, "eval_every": 1, "batch_size": BATCH_SIZE, "width": 1 / 32, **changes}
    )


def prepared(folder, **changes):
    run = Run(folder)
    run.prepare(recipe_of(**changes))
    return run


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    path = tmp_path_factory.mktemp("init") / "initial.safetensors"
    weights.save(path, initial_weights(recipe_of(), {}), {})
    return path


@pytest.fixture(scope="module")
def runs(initial, tmp_path_factory):
    """Finished runs by framework and number of processes, each trained when first asked for."""
    finished = {}

    def train(framework, devices):
        if (framework, devices) not in finished:
            run = prepared(tmp_path_factory.mktemp(f"{framework}{devices}"))
            finished[framework, devices] = run
            helpers.worker(framework, *words(run, initial), "--devices", devices)
        return finished[framework, devices]

    return train


def words(run, initial):
    return ["train", "--run", run.folder, "--data", "digits", "--initial-weights", initial]


def change(first, second):
    return max(np.linalg.norm(first[name] - second[name]) / np.linalg.norm(second[name]) for name in second)


@pytest.mark.slow
def test_two_processes_train_as_one_in_float64(framework, initial, tmp_path):
    found = []
    for devices in (1, 2):
        out = tmp_path / f"{devices}.npz"
        helpers.child(framework, "double", framework, prepared(tmp_path / str(devices)).folder, initial, devices, out)
        with np.load(out) as file:
            found.append(dict(file))
    assert [arrays.pop("ranks") for arrays in found] == [1, 2]
    assert change(*found) < FLOAT64_LIMIT
    start, _ = weights.load(initial)
    assert min(np.abs(found[1][name] - start[name]).max() for name in start) > 0


def norm(arrays, others):
    return np.sqrt(sum(np.square(arrays[name] - others[name], dtype=np.float64).sum() for name in arrays))


@pytest.mark.slow_for("paddle")
def test_two_processes_train_as_one(framework, initial, runs):
    one, two = runs(framework, 1), runs(framework, 2)
    first, second = (read_checkpoint(run.checkpoint_file) for run in (two, one))
    start, _ = weights.load(initial)
    still = {name: np.zeros_like(array) for name, array in start.items()}
    assert norm(first.weights, second.weights) < FLOAT32_LIMIT * norm(second.weights, start)
    assert norm(first.momentum, second.momentum) < FLOAT32_LIMIT * norm(second.momentum, still)
    assert [record.keys() for record in two.log()] == [record.keys() for record in one.log()]
    for ours, theirs, limit in zip(two.log(), one.log(), (1e-5, 1e-3), strict=True):
        for name in ("lr", "loss", "cross_entropy", "penalty"):
            assert ours[name] == pytest.approx(theirs[name], rel=limit)


@pytest.mark.slow_for("paddle")
def test_result_and_codes_are_whole(framework, runs):
    one, two = runs(framework, 1), runs(framework, 2)
    assert two.result().keys() == one.result().keys()
    assert two.result()["recipe_digest"] == one.result()["recipe_digest"]
    ours, theirs = (Codes.load(run.codes_file) for run in (two, one))
    assert np.array_equal(ours.index, theirs.index)
    assert np.abs(ours.margin - theirs.margin).max() < FLOAT32_LIMIT * theirs.margin.max()
    assert not two.resume_folder.exists()


@pytest.mark.slow_for("paddle")
def test_environment_counts_devices_and_nodes(framework, runs):
    environments = [json.loads(runs(framework, devices).environment_file.read_text()) for devices in (1, 2)]
    assert environments[0].keys() == environments[1].keys()
    assert [(f["devices"], f["nodes"]) for f in environments] == [(1, 1), (2, 1)]
    assert environments[1]["device_name"] == f"{environments[0]['device_name']}, 2 processes"


def ranks_of(folder):
    """The processes that train a run together, and the launcher of some, by their command lines."""
    found = {}
    for entry in filter(lambda path: path.name.isdecimal(), Path("/proc").iterdir()):
        try:
            line = (entry / "cmdline").read_text().split("\0")
        except OSError:  # it has just ended
            continue
        if "--as-rank" in line and str(folder) in line:
            found[int(entry.name)] = line
    return {pid: line for pid, line in found.items() if "paddle.distributed.launch" not in line}, set(found)


@pytest.mark.slow
def test_dead_rank_ends_the_run_which_goes_on_with_another_number(framework, tmp_path):
    """Exit status 3, no process left, and the same suite ends well with one process, from the last finished epoch."""
    options = ("--preset", "demo", "--bits", 12, "--epochs", 8, "--eval-every", 0, "--frameworks", framework)
    options += ("--set", "width=0.0625")
    command = ["compare/benchmark.py", "--skip-align", *map(str, options), "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, *command, "--devices", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=helpers.PROJECT_ROOT,
        env=helpers.ENVIRONMENT,
    )
    run = Run(tmp_path / framework / "bits12-seed2000")
    wait_until(lambda: len(run.log()) >= 2, seconds=120)
    ranks, _ = ranks_of(run.folder)
    assert len(ranks) == 2
    os.kill(max(ranks), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert " died (signal " in errors
    wait_until(lambda: not ranks_of(run.folder)[1], seconds=60)
    assert not run.is_finished()
    before = run.log()
    helpers.run(*command)
    assert run.is_finished()
    assert [record["epoch"] for record in run.log()] == list(range(1, 9))
    assert run.log()[:2] == before[:2]


def start_two_ranks(framework, run, initial):
    """A worker that trains ``run`` with two ranks, which have finished an epoch."""
    line = [default_python(framework), "-m", f"{framework}_impl", *map(str, words(run, initial)), "--devices", "2"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(line, env=helpers.ENVIRONMENT, cwd=helpers.PROJECT_ROOT, **pipes)
    wait_until(run.log, seconds=120)
    return process


@pytest.mark.slow
def test_ranks_end_with_their_parent(framework, initial, tmp_path):
    run = prepared(tmp_path, batch_size=32, epochs=50, eval_every=0)
    process = start_two_ranks(framework, run, initial)
    process.kill()
    process.communicate()
    wait_until(lambda: not ranks_of(run.folder)[1], seconds=60)
    assert not run.is_finished()


@pytest.mark.slow_for("torch")
def test_dead_rank_ends_its_worker_and_the_others(framework, initial, tmp_path):
    run = prepared(tmp_path, batch_size=32, epochs=50, eval_every=0)
    process = start_two_ranks(framework, run, initial)
    os.kill(max(ranks_of(run.folder)[0]), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert " died (signal " in errors
    assert not ranks_of(run.folder)[1]
    assert not run.is_finished()


@pytest.mark.slow
def test_two_nodes_on_one_machine(tmp_path):
    """The same command on each node ends well on both; the first alone writes."""
    command = ["compare/benchmark.py", *helpers.SMALL_BUT_EPOCHS, "--epochs", "1", "--skip-align"]
    command = [sys.executable, *command, "--nodes", "2", "--out", str(tmp_path)]
    port = str(make_layout(1, 1).port)
    variables = helpers.ENVIRONMENT | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    nodes = [
        subprocess.Popen(
            command, env=variables | {"NODE_RANK": node}, stdout=subprocess.DEVNULL, cwd=helpers.PROJECT_ROOT
        )
        for node in "10"
    ]
    try:
        assert [node.wait(timeout=200) for node in nodes] == [0, 0]
    finally:
        for node in nodes:
            node.kill()
    first, second = finished_runs(tmp_path)
    assert first.log()[0]["loss"] == pytest.approx(second.log()[0]["loss"], rel=0.02)
    assert [json.loads(run.environment_file.read_text())["nodes"] for run in (first, second)] == [2, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--devices", "0"], "--devices: expected a whole number from 1, received '0'"),
        (["--nodes", "0"], "--nodes: expected a whole number from 1, received '0'"),
        (["--nodes", "2"], "received no MASTER_ADDR and no MASTER_PORT and no NODE_RANK"),
        (["--devices", "2", "--executor", "ray"], "expected 1 with --executor ray"),
    ],
)
def test_wrong_counts_are_refused(options, message, tmp_path):
    without = dict.fromkeys(("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"), "")
    small = ("--preset", "demo", "--frameworks", "paddle", "--bits", "12", "--out", tmp_path)
    assert message in helpers.benchmark(*small, *options, status=2, environment=without).stderr


def test_more_devices_than_gpus_are_refused():
    check_counts(2, 1, 2)
    with pytest.raises(UserError, match="--devices 3: expected at most the 2 GPUs that can be used"):
        check_counts(3, 1, 2)


def test_processes_that_memory_cannot_hold_are_refused(monkeypatch):
    monkeypatch.setattr("shared.network.flops.memory_bytes", lambda: 2**31)
    check_memory(recipe_of(), 4, "--devices 4")
    with pytest.raises(UserError, match=r"--devices 64: expected training that fits into the 2\.0 GiB of memory here"):
        check_memory(recipe_of(), 64, "--devices 64")
    with pytest.raises(UserError, match=r"but it takes .* GiB or more; lower it"):
        check_memory(recipe_of(input_px=2048, width=4.0), 1, "--px 2048")


@pytest.mark.parametrize(("name", "value"), [("NODE_RANK", "2"), ("NODE_RANK", "x"), ("MASTER_PORT", "65536")])
def test_variables_out_of_range_are_named(name, value, monkeypatch):
    for variable, good in {"MASTER_ADDR": "host", "MASTER_PORT": "29500", "NODE_RANK": "1", name: value}.items():
        monkeypatch.setenv(variable, good)
    with pytest.raises(UserError, match=f"{name}: expected a number from 0 to"):
        make_layout(1, 2)
