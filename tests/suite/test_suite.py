"""A suite's own work, without training: what its runs start from, who may use its folder, and who waits for whom."""

import dataclasses
import json
import sys

import pytest

from compare import benchmark
from compare.frameworks.records import FRAMEWORKS
from compare.frameworks.worker import Worker
from compare.suite.follow import FollowingSuite
from compare.suite.suite import Suite, has_initial_weights
from shared.checkpoint import weights
from shared.data import cifar
from shared.system.errors import UserError
from shared.system.files import folder_lock
from shared.system.progress import Progress
from shared.training.runs import run_of
from tests import helpers
from tests.fakes import NUMPY, KeptProgress

BITS, SEED = 12, 2000


class Collecting:
    """An executor that takes the tasks and does none."""

    def run(self, tasks, progress):
        self.tasks = list(tasks)
        return []


def suite(out, kind=Suite, **options):
    recipe = helpers.small_recipe()
    settings = {"recipe": recipe, "bits": [BITS], "seeds": [SEED], "workers": [Worker("torch"), Worker("paddle")]}
    settings |= {"devices": {"torch": "cpu", "paddle": "cpu"}, "unavailable": {}, "dataset": cifar.load("digits")}
    return kind(out=out, **settings, data="digits", backbone={}, force=False, **options)


def flip(content):
    middle = len(content) * 3 // 4
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {
    "none": lambda content: content,
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "one bit": flip,  # still a file of finite weights
    "no file of this kind": lambda content: b"GIF89a" + content,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_initial_weights_are_made_again(how, tmp_path):
    executor = Collecting()
    suite(tmp_path).run(executor, Progress())
    first, second = executor.tasks
    assert first.initial_weights == second.initial_weights == tmp_path / "init" / "bits12-seed2000.safetensors"
    whole = first.initial_weights.read_bytes()
    first.initial_weights.write_bytes(DAMAGE[how](whole))
    before = first.initial_weights.stat().st_ino
    suite(tmp_path).run(executor, Progress())
    assert first.initial_weights.read_bytes() == whole
    assert (first.initial_weights.stat().st_ino == before) == (how == "none")


def test_initial_weights_without_a_digest_are_made_again_and_are_the_same(tmp_path):
    """As they were written at first."""
    executor = Collecting()
    suite(tmp_path).run(executor, Progress())
    path = executor.tasks[0].initial_weights
    arrays, origin = weights.load(path)
    weights.save(path, arrays, {name: value for name, value in origin.items() if name != "sha256"})
    suite(tmp_path).run(executor, Progress())
    again, with_digest = weights.load(path)
    assert weights.digest(again) == weights.digest(arrays) == with_digest["sha256"]


def test_initial_weights_are_those_of_one_changed_weight_or_none(tmp_path):
    executor = Collecting()
    suite(tmp_path).run(executor, Progress())
    path, recipe = executor.tasks[0].initial_weights, executor.tasks[0].run.recipe()
    assert has_initial_weights(path, recipe)
    assert not has_initial_weights(path, dataclasses.replace(recipe, last_place=1))


def test_a_suite_keeps_others_out_and_single_cells_share(tmp_path):
    whole = suite(tmp_path)
    with whole.locked(), pytest.raises(UserError, match="is in use by another process"):
        whole.locked(shared=True).__enter__()
    with whole.locked(shared=True), whole.locked(shared=True):
        pass


def test_a_second_suite_is_refused_before_the_ladder(tmp_path):
    with folder_lock(tmp_path):
        done = helpers.benchmark("--out", tmp_path, *helpers.SMALL, align=True, status=2)
    assert done.stderr == f"error: {tmp_path} is in use by another process; wait for it, or choose another folder\n"
    assert not (tmp_path / "align.json").exists()


@pytest.mark.parametrize("cell", [(), ("--cell", "numpy:12:2000")], ids=["suite", "cell"])
def test_benchmark_leaves_a_folder_in_use_alone(cell, tmp_path, monkeypatch):
    monkeypatch.setitem(FRAMEWORKS, NUMPY.key, NUMPY)
    chosen = ("--frameworks", "numpy", "--numpy-python", sys.executable, "--skip-align")
    with folder_lock(tmp_path), pytest.raises(UserError, match=f"^{tmp_path} is in use by another process; wait"):
        benchmark.main(["--out", str(tmp_path), *helpers.SMALL, *chosen, *cell])
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_another_node_says_what_it_waits_for_and_ends(tmp_path):
    progress = KeptProgress()
    with pytest.raises(UserError, match=r"--timeout 1: expected .*recipe\.json of this recipe from .*NODE_RANK=0"):
        suite(tmp_path, FollowingSuite, timeout=1).run(Collecting(), progress)
    (line,) = progress.notes
    assert line.startswith(f"waiting for the first node (NODE_RANK=0) to write {tmp_path}/torch/bits12-seed2000/recipe")


def test_another_node_waits_for_whole_initial_weights(tmp_path):
    first = Collecting()
    suite(tmp_path).run(first, Progress())
    path = first.tasks[0].initial_weights
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(UserError, match=f"--timeout 1: expected {path} from the first node"):
        suite(tmp_path, FollowingSuite, timeout=1).run(Collecting(), Progress())
    path.write_bytes(whole)
    following = Collecting()
    suite(tmp_path, FollowingSuite, timeout=1).run(following, Progress())
    assert [task.cell for task in following.tasks] == [task.cell for task in first.tasks]


def written(path):
    """Which file stands at `path` and when it was written: reading it changes neither."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def test_a_plan_that_does_not_change_is_not_written_again(tmp_path):
    suite(tmp_path).run(Collecting(), Progress())
    before = written(tmp_path / "suite.json")
    suite(tmp_path).run(Collecting(), Progress())
    assert written(tmp_path / "suite.json") == before
    suite(tmp_path, label="a JPEG copy").run(Collecting(), Progress())
    assert json.loads((tmp_path / "suite.json").read_text())["label"] == "a JPEG copy"


def test_force_empties_a_run_without_following_links(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("precious")
    run = run_of(tmp_path / "out", "torch", BITS, SEED)
    run.prepare(helpers.small_recipe(epochs=1))
    run.resume_folder.symlink_to(elsewhere)
    run.log_file.symlink_to(elsewhere / "file")
    run.prepare(helpers.small_recipe(epochs=2), force=True)
    assert not run.resume_folder.is_symlink()
    assert not run.log_file.is_symlink()
    assert (elsewhere / "file").read_text() == "precious"
