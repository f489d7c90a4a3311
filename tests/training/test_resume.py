"""Training goes on in the other framework: three epochs in one and one in the other are four epochs in one."""

import dataclasses
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from compare.frameworks.worker import default_python
from shared.checkpoint import checkpoint, weights
from shared.checkpoint.checkpoint import Checkpoint, read_checkpoint
from shared.network.initial import initial_weights
from shared.system.errors import UserError
from shared.system.files import folder_lock
from shared.system.progress import Progress
from shared.training.open_job import open_job
from shared.training.ranks import ALONE
from shared.training.runs import Run
from tests import helpers
from tests.rows import EPOCH

# Largest norm of a parameter's difference, relative to what the last epoch changed of it. Measured without a decision
# that fell differently 5e-6, and with some (another seed) 0.02; of the mistakes tried the mildest, a lost momentum of
# the hash layer's bias alone, gives 0.27, no momentum 0.4, a transposed momentum of the square fc7 0.5.
TRAJECTORY_LIMIT = 0.1
EPOCHS, BEGUN = 4, 3


def recipe_of(epochs):
    # the rate drops where the other goes on: it must take its rate from the recipe
    return helpers.small_recipe(epochs=epochs, eval_every=0, lr_drop_epoch=3, width=1 / 32)


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    path = tmp_path_factory.mktemp("init") / "initial.safetensors"
    weights.save(path, initial_weights(recipe_of(EPOCHS), {}), {})
    return path


def train(framework, folder, epochs, **options):
    run = Run(folder)
    run.prepare(recipe_of(epochs))
    arguments = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    helpers.worker(framework, "train", "--run", folder, "--data", "digits", *arguments)
    return run


@pytest.fixture(scope="module")
def runs(initial, tmp_path_factory):
    """Per framework a run of all epochs and one of all but the last."""
    out = tmp_path_factory.mktemp("runs")
    return {
        (name, epochs): train(name, out / f"{name}{epochs}", epochs, initial_weights=initial)
        for name in ("torch", "paddle")
        for epochs in (EPOCHS, BEGUN)
    }


def departure(joined, whole, begun):
    """The largest norm of a parameter's difference, relative to its change since the run that was begun."""
    norm = np.linalg.norm
    return max(norm(joined[name] - whole[name]) / norm(whole[name] - begun[name]) for name in whole)


@pytest.mark.parametrize(("begun", "ended", "suffix"), [("torch", "paddle", ".ckpt"), ("paddle", "torch", ".pdparams")])
def test_parts_in_two_frameworks_are_a_whole(runs, initial, tmp_path, begun, ended, suffix):
    source = tmp_path / f"begun{suffix}"
    helpers.run("compare/convert.py", runs[begun, BEGUN].checkpoint_file, source)
    run = train(ended, tmp_path / "run", EPOCHS, initial_weights=initial, resume_from=source)
    assert [record["epoch"] for record in run.log()] == [4]
    assert [record["lr"] for record in run.log()] == pytest.approx([5e-4], rel=1e-6)
    parts = (run, runs[begun, EPOCHS], runs[begun, BEGUN])
    joined, whole, first = (read_checkpoint(part.checkpoint_file) for part in parts)
    assert joined.epoch == whole.epoch == EPOCHS
    assert departure(joined.weights, whole.weights, first.weights) < TRAJECTORY_LIMIT
    check_record(run, runs[begun, BEGUN])


def check_record(run, begun):
    origin = json.loads(run.environment_file.read_text())["resumed_from"]
    assert origin["epoch"] == BEGUN
    assert origin["sha256"] == begun.result()["checkpoint_sha256"]
    result, log = run.result(), run.log()
    assert result["train_seconds"] == sum(record["seconds"] for record in log)
    assert result["images_per_second"] == pytest.approx(1000 * len(log) / result["train_seconds"])
    assert result["initial_weights_sha256"] == begun.result()["initial_weights_sha256"]


@pytest.mark.slow_for("torch")
def test_resume_state_in_the_folder_wins(framework, runs, tmp_path):
    """A resumed run that was killed goes on from its own last epoch, also when that is the last of all."""
    source = runs[framework, BEGUN].checkpoint_file
    whole = runs[framework, EPOCHS]
    run = Run(tmp_path)
    run.prepare(recipe_of(EPOCHS))
    for record in whole.log():
        run.append_log(record)
    suffix = {"torch": ".ckpt", "paddle": ".safetensors"}[framework]
    run.resume_folder.mkdir()
    helpers.run("compare/convert.py", whole.checkpoint_file, run.resume_folder / f"last{suffix}")
    train(framework, tmp_path, EPOCHS, resume_from=source)
    assert run.log() == whole.log()
    assert run.result()["checkpoint_sha256"] == whole.result()["checkpoint_sha256"]
    assert run.result()["map_last"] == whole.result()["map_last"]


@pytest.mark.parametrize(
    ("change_it", "message"),
    [
        ({"momentum": None}, "missing momentum;"),
        ({"momentum": None, "epoch": None}, "missing momentum, epoch;"),
        ({"epoch": EPOCHS}, "expected 1 to 3 finished epochs of the recipe's 4, received 4"),
    ],
)
def test_checkpoint_that_cannot_go_on(change_it, message, runs, tmp_path):
    found = dataclasses.replace(read_checkpoint(runs["torch", BEGUN].checkpoint_file), **change_it)
    with pytest.raises(UserError, match=message):
        found.check_resumable(recipe_of(EPOCHS), "file")


def test_bad_checkpoint_is_one_line(framework, initial, tmp_path):
    run = Run(tmp_path)
    run.prepare(recipe_of(EPOCHS))
    arguments = ["train", "--run", tmp_path, "--data", "digits"]
    done = helpers.worker(framework, *arguments, "--resume-from", initial, status=2)
    assert "missing momentum, epoch;" in done.stderr
    assert not run.log_file.exists()


def test_training_needs_something_to_start_from(tmp_path):
    Run(tmp_path).prepare(recipe_of(EPOCHS))
    done = helpers.worker("paddle", "train", "--run", tmp_path, "--data", "digits", status=2)
    assert "expected --initial-weights or --resume-from" in done.stderr


def test_run_folder_with_a_link_in_it_is_refused(framework, initial, tmp_path):
    run = Run(tmp_path / "run")
    run.prepare(recipe_of(EPOCHS))
    (tmp_path / "elsewhere").mkdir()
    run.resume_folder.symlink_to(tmp_path / "elsewhere")
    arguments = ["train", "--run", run.folder, "--data", "digits", "--initial-weights", initial]
    done = helpers.worker(framework, *arguments, status=2)
    assert done.stderr.startswith(f"error: {run.resume_folder}: expected a folder, received a link to one")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.fixture
def kept(initial, tmp_path):
    """A prepared run whose state after two of four epochs is kept, the job that finds it, and where."""
    run = Run(tmp_path / "run")
    run.prepare(recipe_of(EPOCHS))
    for epoch in (1, 2):
        run.append_log(EPOCH | {"epoch": epoch})
    arrays, _ = weights.load(initial)
    state = run.resume_folder / "last.safetensors"
    checkpoint.save(state, Checkpoint(arrays, dict(arrays), 2, 0.005))
    return open_job(run.folder, "digits", initial, None, "cpu", {}, Progress(), ALONE), state


def write_log(job, *epochs):
    job.run.log_file.write_text("".join(json.dumps(EPOCH | {"epoch": epoch}) + "\n" for epoch in epochs))


def change_state(**changes):
    return lambda _, state: checkpoint.save(state, dataclasses.replace(read_checkpoint(state), **changes))


@pytest.mark.parametrize("epochs", [(1, 2), (1, 2, 3), (1, 2, 3, 4)])
def test_state_that_the_log_leads_up_to_is_gone_on_from(epochs, kept):
    job, state = kept
    write_log(job, *epochs)
    assert job.state_or_start(state).epoch == 2
    job.resume_after(2)
    assert [record["epoch"] for record in job.run.log()] == [1, 2]


CORRUPTED = {
    "empty, after a loss of power": (lambda _, state: state.write_bytes(b""), "cannot be read"),
    "zeros, after a loss of power": (lambda _, state: state.write_bytes(bytes(10**5)), "cannot be read"),
    "cut": (lambda _, state: state.write_bytes(state.read_bytes()[:-9]), "cannot be read"),
    "a link to nothing": (lambda _, state: (state.unlink(), state.symlink_to("none")), "cannot be read"),
    "without momentum": (change_state(momentum=None), "cannot be read .*missing momentum"),
    "more epochs than there are": (change_state(epoch=5), "expected 1 to 4 finished epochs"),
    "no epoch": (change_state(epoch=0), "expected 1 to 4 finished epochs"),
    "no log": (lambda job, _: job.run.log_file.unlink(), "does not hold the 2 epochs that were trained, but none"),
    "an empty log": (lambda job, _: write_log(job), "does not hold the 2 epochs that were trained, but none"),
    "a log without its beginning": (lambda job, _: write_log(job, 2, 3), "does not hold .* but 2"),
    "a log without its end": (lambda job, _: write_log(job, 1), "does not hold .* but 1"),
    "a log with an epoch twice": (lambda job, _: write_log(job, 1, 1, 2), "does not hold .* but 1, 1, 2"),
    "a log out of order": (lambda job, _: write_log(job, 2, 1), "does not hold .* but 2, 1"),
    "a log of zeros": (lambda job, _: job.run.log_file.write_bytes(bytes(99) + b"\n"), "cannot be read"),
    "a log of something else": (lambda job, _: job.run.log_file.write_text("[]\n"), "cannot be read"),
    "a log of letters": (lambda job, _: write_log(job, "1", "2"), "cannot be read"),
}


@pytest.mark.parametrize("how", CORRUPTED)
def test_state_that_cannot_be_gone_on_from_is_set_aside(how, kept, capsys):
    job, state = kept
    corrupt, reason = CORRUPTED[how]
    corrupt(job, state)
    assert job.state_or_start(state) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(
        f"{reason}.*; set aside as {state.parent}/set-aside-last.safetensors, and the run begins anew", line
    )
    assert not state.is_symlink()
    assert [path.name for path in state.parent.iterdir()] == ["set-aside-last.safetensors"]
    job.resume_after(0)
    assert job.run.log() == []


def test_state_of_a_run_that_began_elsewhere(kept):
    """Its log begins after the checkpoint that it went on from."""
    job, state = kept
    write_log(job, 2)
    began = dataclasses.replace(job, start=dataclasses.replace(read_checkpoint(state), epoch=1))
    assert began.state_or_start(state).epoch == 2
    write_log(job, 1, 2)
    assert began.state_or_start(state).epoch == 2
    write_log(job)
    assert began.state_or_start(state).epoch == 1
    assert not state.exists()


@pytest.mark.slow_for("paddle")
def test_training_begins_anew_where_a_state_was_emptied(framework, runs, initial, tmp_path):
    whole = runs[framework, BEGUN]
    run = Run(tmp_path)
    run.prepare(recipe_of(BEGUN))
    run.resume_folder.mkdir()
    name = {"torch": "last.ckpt", "paddle": "last.safetensors"}[framework]
    (run.resume_folder / name).write_bytes(b"")
    for record in whole.log()[:2]:
        run.append_log(record)
    arguments = ["train", "--run", tmp_path, "--data", "digits", "--initial-weights", initial]
    done = helpers.worker(framework, *arguments)
    assert f"set aside as {run.resume_folder}/set-aside-{name}, and the run begins anew" in done.stderr
    helpers.check_same_numbers(run, whole)
    assert not run.resume_folder.exists()


def test_run_that_another_process_finishes_is_not_trained_again(framework, runs, initial, tmp_path):
    """It waits for the lock that the other holds, and then finds the run finished."""
    whole = runs[framework, BEGUN]
    run = Run(tmp_path / "run")
    run.prepare(recipe_of(BEGUN))
    arguments = ["-m", f"{framework}_impl", "train", "--run", run.folder, "--data", "digits"]
    arguments += ["--initial-weights", initial]
    with folder_lock(run.folder):
        pipes = {"stderr": subprocess.PIPE, "text": True, "env": helpers.ENVIRONMENT, "cwd": helpers.PROJECT_ROOT}
        process = subprocess.Popen([default_python(framework), *map(str, arguments)], **pipes)
        for file in (run.log_file, run.codes_file, run.checkpoint_file, run.result_file):
            shutil.copyfile(whole.folder / file.name, file)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "finished already: nothing is left to train" in errors
    assert run.log() == whole.log()
