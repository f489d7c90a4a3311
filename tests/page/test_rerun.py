"""The commands that a report and the results page print: each makes its run, suite or study again."""

import dataclasses
import shlex

import pytest

from compare.benchmark import build_parser
from compare.page.rerun import rerun_command, suite_commands
from compare.stats.gather import gather
from compare.suite.planning import chosen_recipe
from shared.config.recipe import PRESETS
from shared.system.files import read_json
from shared.training.runs import run_of
from tests import helpers
from tests.rows import CPU, PAPER, finish, plan


def test_the_printed_command_makes_the_row_again(small_suite, tmp_path):
    run = run_of(small_suite, "paddle", 12, 2000)
    command = shlex.split(rerun_command(run.recipe(), "paddle", read_json(run.environment_file)))
    helpers.run(*command[1:], "--out", tmp_path)
    again = run_of(tmp_path, "paddle", 12, 2000)
    assert again.recipe() == run.recipe()
    assert again.result()["checkpoint_sha256"] == run.result()["checkpoint_sha256"]
    assert again.result()["map_last"] == run.result()["map_last"]


def all_asked(out, *controls):
    """What the suite's printed commands ask for, after controls of these recipes."""
    for recipe in controls:
        finish(out / "control/threads", recipe, "torch", 0.5)
    return [build_parser().parse_args(shlex.split(command)[2:]) for command in suite_commands(gather([out]))]


@pytest.mark.parametrize(
    "recipe", [CPU, dataclasses.replace(PAPER, bits=48, seed=7, precision="bf16", dropout="native")]
)
def test_commands_name_every_setting(recipe, tmp_path):
    arguments = build_parser().parse_args(shlex.split(rerun_command(recipe, "torch", {}))[2:])
    assert (arguments.bits, arguments.seeds) == ([recipe.bits], [recipe.seed])
    assert str(arguments.cell) == f"torch:{recipe.bits}:{recipe.seed}"
    settings = {"bits": recipe.bits, "seed": recipe.seed, "backbone_layers": recipe.backbone_layers}
    assert dataclasses.replace(chosen_recipe(arguments, recipe.preset), **settings) == recipe
    plan(tmp_path, bits=[12, 48], seeds=[7, 2000], label="a copy", frameworks=["torch"])
    finish(tmp_path, recipe, "torch", 0.5, threads=4)
    asked, studied = all_asked(tmp_path, recipe)
    assert (asked.bits, asked.seeds, asked.cell_cpus) == ([12, 48], [7, 2000], 4)
    assert asked.label == "a copy of CIFAR-10"  # of the number of its images, as the name of the data set said
    assert asked.frameworks == ["torch"]
    assert (asked.control, asked.variance, asked.cell) == (False, False, None)
    assert (studied.bits, studied.seeds, studied.cell_cpus) == ([recipe.bits], [recipe.seed], 4)
    assert (studied.control, studied.variance, studied.label) == (True, False, asked.label)


def test_a_study_of_fewer_runs_has_its_own_command(tmp_path):
    plan(tmp_path, bits=[12, 24], seeds=[2000, 1, 2])
    cells = [dataclasses.replace(CPU, bits=bits, seed=seed) for bits in (12, 24) for seed in (2000, 1, 2)]
    for recipe in cells:
        for framework in ("torch", "paddle"):
            finish(tmp_path, recipe, framework, 0.5)
    for recipe in (cell for cell in cells if cell.bits == 12 and cell.seed != 2000):
        finish(tmp_path / "variance/order", dataclasses.replace(recipe, seeded=("order",)), "torch", 0.5)
    for recipe in (cell for cell in cells if cell.seed < 2):
        finish(tmp_path / "control/threads", recipe, "paddle", 0.5)
    suite, control, variance = all_asked(tmp_path, *(cell for cell in cells if cell.seed < 2))
    assert (suite.bits, suite.seeds, suite.control, suite.variance) == ([12, 24], [2000, 1, 2], False, False)
    assert (control.bits, control.seeds, control.control, control.variance) == ([12, 24], [1], True, False)
    # the run with the base seed counts in every family
    assert (variance.bits, variance.seeds, variance.control, variance.variance) == ([12], [2000, 1, 2], False, True)
    assert {asked.cell for asked in (suite, control, variance)} == {None}
    everywhere = ["paddle", "torch"]
    assert suite.frameworks == control.frameworks == variance.frameworks == everywhere


def test_a_study_of_every_run_goes_with_the_suite(tmp_path):
    plan(tmp_path, seeds=[1, 2], frameworks=["torch"])
    cells = [dataclasses.replace(CPU, seed=seed) for seed in (1, 2)]
    for recipe in cells:
        finish(tmp_path, recipe, "torch", 0.5)
    (asked,) = all_asked(tmp_path, *cells)
    assert (asked.seeds, asked.control, asked.frameworks) == ([1, 2], True, ["torch"])
    plan(tmp_path, seeds=[1, 2])
    suite, control = all_asked(tmp_path)
    assert (suite.control, suite.frameworks) == (False, ["paddle", "torch"])
    assert (control.seeds, control.control, control.frameworks) == ([1, 2], True, ["torch"])


def test_commands_name_the_place():
    environment = {"device": "cpu", "devices": 2, "framework_threads": 3, "precision": {"deterministic": True}}
    arguments = build_parser().parse_args(shlex.split(rerun_command(PRESETS["demo"], "torch", environment))[2:])
    assert (arguments.device, arguments.devices, arguments.nodes, arguments.cell_cpus) == ("cpu", 2, 1, 6)
    assert arguments.deterministic


def test_backbone_is_named_as_a_stranger_can_get_it():
    assert "--backbone-weights imagenet-conv" in rerun_command(CPU, "torch", {})
    assert rerun_command(PAPER, "torch", {}).count("--backbone-weights imagenet ") == 1
    assert "--backbone-weights none" in rerun_command(dataclasses.replace(PAPER, backbone="none"), "torch", {})
