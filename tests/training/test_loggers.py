"""--logger: TensorBoard's log from PyTorch, VisualDL's from Paddle; a missing package is one line beforehand."""

import json
import subprocess

import pytest

from compare.benchmark import build_parser, main
from compare.frameworks.worker import default_python
from compare.suite.planning import check_options
from compare.suite.settings import settled
from shared.checkpoint import weights
from shared.network.initial import initial_weights
from shared.system.errors import UserError
from shared.training.job import scalars_of
from shared.training.runs import LOGGERS, Run
from shared.worker import cli
from shared.worker.loggers import check_logger
from tests import helpers
from tests.rows import EPOCH

OWN = {worker.removesuffix("_impl"): name for name, worker in LOGGERS.items()}


def is_there(framework, package):
    code = f"from importlib.util import find_spec; print(bool(find_spec('{package}')))"
    return helpers.run("-c", code, python=default_python(framework)).stdout == "True\n"


def test_the_numbers_of_an_epoch_are_drawn():
    record = EPOCH | {"epoch": 2, "map": {"expected": 0.5, "best": 0.6}, "accuracy": 0.25, "parameters_sha256": "a"}
    drawn = scalars_of(record)
    assert drawn.keys() == {*EPOCH, "map", "accuracy"}
    assert (drawn["map"], drawn["loss"]) == (0.5, EPOCH["loss"])
    assert "map" not in scalars_of(EPOCH | {"epoch": 1})


def test_a_worker_offers_its_own_logger_alone():
    for program, name in (("torch_impl", "tensorboard"), ("paddle_impl", "visualdl")):
        words = ["train", "--run", "r", "--data", "digits"]
        parser = cli.build_parser(program)
        assert parser.parse_args(words).logger is None
        assert parser.parse_args([*words, "--logger", name]).logger == name
        with pytest.raises(UserError, match=f"--logger: expected {name}, received"):
            parser.parse_args([*words, "--logger", next(other for other in LOGGERS if other != name)])


def test_a_logger_goes_with_its_framework():
    arguments = settled(build_parser().parse_args(["--frameworks", "torch", "--logger", "visualdl"]))
    with pytest.raises(UserError, match="--logger visualdl: expected among --frameworks that of paddle_impl"):
        check_options(arguments)


def test_a_missing_package_is_one_line_that_names_the_extra():
    with pytest.raises(UserError, match=r"--logger no_such_package: .*, found none; .*pip install -e '\.\[logs\]'"):
        check_logger("no_such_package")


def test_a_missing_package_ends_a_suite_before_it_begins(framework, tmp_path):
    name = OWN[framework]
    if is_there(framework, name):
        pytest.skip(f"{name} is installed")
    options = ["--preset", "demo", "--frameworks", framework, "--logger", name, "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match=f"--logger {name}: expected the package {name} in") as error:
        main(options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_log_has_each_epoch_once_also_of_a_run_that_was_killed(framework, tmp_path):
    name = OWN[framework]
    if not is_there(framework, name):
        pytest.skip(f"{name} is not installed")
    recipe = helpers.small_recipe(epochs=6, width=1 / 32, eval_every=2)
    run, initial = Run(tmp_path / "run"), tmp_path / "initial.safetensors"
    run.prepare(recipe)
    weights.save(initial, initial_weights(recipe, {}), {})
    options = ("--data", "digits", "--initial-weights", initial, "--logger", name)
    words = map(str, ("-m", f"{framework}_impl", "train", "--run", run.folder, *options))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": helpers.PROJECT_ROOT}
    with subprocess.Popen([default_python(framework), *words], **quiet, env=helpers.ENVIRONMENT) as process:
        helpers.wait_until(lambda: len(run.log()) >= 3)
        process.kill()
    assert not run.is_finished()
    helpers.worker(framework, "train", "--run", run.folder, *options)
    drawn = json.loads(helpers.child(framework, "logged", name, run.logs_of(name)).stdout.splitlines()[-1])
    assert [record["epoch"] for record in run.log()] == list(range(1, 7))
    for tag in ("map", "accuracy", "cross_entropy", "lr"):
        logged = [(record["epoch"], scalars_of(record)) for record in run.log()]
        points = [[epoch, pytest.approx(scalars[tag], rel=1e-6)] for epoch, scalars in logged if tag in scalars]
        assert drawn[tag] == points
