"""Merged suites, A/A controls and families of variance: which runs are compared, and what the table says of them."""

import dataclasses

import pytest

from compare.frameworks.worker import Worker
from compare.page.rerun import suite_commands
from compare.stats.gather import gather
from compare.stats.spread import bootstrap_queries, noise_floor
from compare.stats.variance import components
from compare.suite.grid import Grid
from compare.suite.studies import CONTROLS, controls, families
from compare.tables.table import write_table
from shared.config.recipe import SEEDED
from shared.system.errors import UserError
from shared.system.files import write_json
from tests import helpers
from tests.rows import PAPER, cells, finish, plan, suite_with

RECIPE = dataclasses.replace(PAPER, bits=12, epochs=3)
TORCH = (0.50, 0.52, 0.51, 0.55)
DIFFERENCES = (0.001, -0.002, 0.003, 0.0)


def finish_pairs(out, seeds, **settings):
    plan(out, seeds=list(seeds))
    for seed in seeds:
        recipe = dataclasses.replace(RECIPE, seed=seed, **settings)
        finish(out, recipe, "torch", TORCH[seed])
        finish(out, recipe, "paddle", TORCH[seed] + DIFFERENCES[seed])


def test_suites_of_several_machines_make_one_table(tmp_path):
    finish_pairs(tmp_path / "whole", range(4))
    finish_pairs(tmp_path / "a", (0, 2))
    finish_pairs(tmp_path / "b", (1, 3))
    merged = write_table(tmp_path / "a", tmp_path / "b", into=tmp_path / "merged")
    assert merged.replace("Seeds: 0, 2, 1, 3.", "Seeds: 0, 1, 2, 3.") == write_table(tmp_path / "whole")
    for name in ("table.csv", "table.json", "table.md"):
        assert (tmp_path / "merged" / name).exists()
        assert not (tmp_path / "a" / name).exists()
    assert (tmp_path / "merged/table.csv").read_bytes() == (tmp_path / "whole/table.csv").read_bytes()


def test_the_command_merges(tmp_path):
    finish_pairs(tmp_path / "a", (0, 1))
    finish_pairs(tmp_path / "b", (2,))
    done = helpers.run("compare/table.py", tmp_path / "a", tmp_path / "b", "--into", tmp_path / "merged")
    assert done.stdout == (tmp_path / "merged/table.md").read_text()
    assert "+0.0007 +- 0.0025 | 3 |" in done.stdout


def test_a_cell_that_two_suites_have_is_refused(tmp_path):
    finish_pairs(tmp_path / "a", (0, 1))
    finish_pairs(tmp_path / "b", (1, 2))
    with pytest.raises(UserError, match=r"bits12-seed1 and .*bits12-seed1 are the same cell"):
        write_table(tmp_path / "a", tmp_path / "b")


def test_suites_of_other_recipes_are_refused(tmp_path):
    finish_pairs(tmp_path / "a", (0, 1))
    finish_pairs(tmp_path / "b", (2, 3), learning_rate=0.5)
    with pytest.raises(
        UserError, match=r"expected the recipe of the other runs, received learning_rate 0\.5 instead of 0\.001"
    ):
        write_table(tmp_path / "a", tmp_path / "b")


def test_a_smaller_command_does_not_bring_the_verdict_forward(tmp_path):
    finish_pairs(tmp_path, range(3))
    plan_more(tmp_path, {12: range(6)}, label="a copy")
    plan_more(tmp_path, {12: [0]})
    text = write_table(tmp_path)
    assert "Seeds: 0, 1, 2, 3, 4, 5." in text
    assert "12 bits: 3 of 6 planned pairs are finished" in text
    assert "- cifar10, a copy (SHA-256" in text


def test_each_length_has_the_seeds_planned_for_it(tmp_path):
    finish_pairs(tmp_path, range(3))
    plan_more(tmp_path, {24: [0]})
    for name in ("torch", "paddle"):
        finish(tmp_path, dataclasses.replace(RECIPE, bits=24, seed=0), name, 0.5)
    text = write_table(tmp_path)
    assert "Seeds: 0, 1, 2 at 12 bits; 0 at 24 bits." in text
    assert "not finished" not in text
    assert "Paddle - PyTorch, 12 bits: equivalent within 0.010" in text
    assert [command.split("--seeds ")[1][:6] for command in suite_commands(gather([tmp_path]))] == ["0 1 2 ", "0 --ep"]


def test_frameworks_of_two_commands_are_one_suite(tmp_path):
    finish_pairs(tmp_path, range(2))
    plan_more(tmp_path, {12: range(2)}, frameworks=["paddle"], unavailable={"torch": "not here"})
    text = write_table(tmp_path)
    assert "not here" not in text
    assert "not asked for" not in text


def plan_more(out, seeds, frameworks=("paddle", "torch"), **more):
    Grid({bits: list(planned) for bits, planned in seeds.items()}, list(frameworks), **more).write(out)


def test_a_grid_of_another_version_is_refused(tmp_path):
    write_json(tmp_path / "suite.json", {"bits": [12], "seeds": [2000]})
    with pytest.raises(UserError, match="remove the file and give the benchmark command again"):
        write_table(tmp_path)


def test_another_recipe_in_the_folder_is_refused_before_training(tmp_path):
    suite = suite_with(tmp_path, RECIPE, bits=[12], seeds=[0])
    finish(tmp_path, dataclasses.replace(RECIPE, bits=24, seed=0, epochs=9), "torch", 0.5)
    for force in (False, True):  # --force replaces only what the command names
        with pytest.raises(UserError, match=r"bits24-seed0 holds a run of another recipe \(epochs 9 instead of 3\)"):
            dataclasses.replace(suite, force=force).check()
    wider = dataclasses.replace(suite, bits=[12, 24])
    with pytest.raises(UserError, match="--force"):
        wider.check()
    dataclasses.replace(wider, force=True).check()


def test_noise_floor_is_each_run_beside_itself(tmp_path):
    finish_pairs(tmp_path, range(4))
    native = dataclasses.replace(RECIPE, dropout="native")
    steps = (0.004, -0.001, 0.002)
    for seed, step in enumerate(steps):
        finish(tmp_path / "control/threads", dataclasses.replace(RECIPE, seed=seed), "torch", TORCH[seed], threads=1)
        finish(tmp_path / "control/dropout", dataclasses.replace(native, seed=seed), "torch", TORCH[seed] + step)
        changed = dataclasses.replace(RECIPE, last_place=1, seed=seed)
        finish(tmp_path / "control/last-place", changed, "torch", TORCH[seed] - step)
    finish(tmp_path / "control/dropout", dataclasses.replace(native, seed=0), "paddle", 0.5)  # alone: no spread
    finish(tmp_path / "control/dropout", dataclasses.replace(native, seed=9), "torch", 0.9)  # of no run of the suite
    table = write_table(tmp_path).split("Noise floor (A/A)")[1]
    still, moving, changed = cells(table)
    assert still["control"] == "PyTorch Lightning, 1 vs 2 threads"
    assert (still["n"], still["sd"], still["sd ratio"]) == ("3", "0.0000", "-")
    assert (
        moving
        == {"control": "PyTorch Lightning, native dropout vs shared masks"} | noise_floor(steps, DIFFERENCES).cells()
    )
    assert changed == moving | {"control": "PyTorch Lightning, one weight one unit in the last place away vs none"}


def test_a_control_with_another_recipe_is_refused(tmp_path):
    finish_pairs(tmp_path, range(2))
    finish(tmp_path / "control/threads", dataclasses.replace(RECIPE, seed=0, epochs=9), "torch", 0.5)
    with pytest.raises(UserError, match="expected the recipe of the other runs, received epochs 9 instead of 3"):
        write_table(tmp_path)


def test_families_share_the_base_run(tmp_path):
    base = {"seeds": [2000, 1, 2]}
    plan(tmp_path, **base)
    for seed, torch, paddle in ((2000, 0.5, 0.501), (1, 0.53, 0.528), (2, 0.51, 0.512)):
        finish(tmp_path, dataclasses.replace(RECIPE, seed=seed), "torch", torch)
        finish(tmp_path, dataclasses.replace(RECIPE, seed=seed), "paddle", paddle)
    maps = {part: (0.5 + 0.01 * place, 0.49) for place, part in enumerate(SEEDED)}
    for part, values in maps.items():
        for seed, value in enumerate(values, 1):
            recipe = dataclasses.replace(RECIPE, seed=seed, seeded=(part,))
            finish(tmp_path / "variance" / part, recipe, "torch", value)
    text = write_table(tmp_path).split("Variance components of mAP at 12 bits")[1]
    families_with_base = {part: (0.5, *values) for part, values in maps.items()}
    expected = components(families_with_base, (0.001, -0.002, 0.002), (0.5, 0.53, 0.51))
    assert cells(text) == expected.cells()
    assert expected.sentence()[1:] in text


def test_one_pair_of_checkpoints_over_its_queries(tmp_path):
    plan(tmp_path, seeds=[3, 4])
    paddle, torch = [0.1, 0.5, 0.7, 0.4], [0.2, 0.4, 0.7, 0.3]
    for seed in (3, 4):
        recipe = dataclasses.replace(RECIPE, seed=seed)
        finish(tmp_path, recipe, "torch", 0.4, precisions=torch)
        finish(tmp_path, recipe, "paddle", 0.425, precisions=paddle)
    text = write_table(tmp_path)
    assert f"95 % intervals; seed 3: 12 bits {bootstrap_queries(paddle, torch).text()}. Evaluation noise only" in text


def test_controls_differ_in_threads_dropout_and_one_weight_alone(tmp_path):
    suite = suite_with(tmp_path, threads=2)
    threads, dropout, last_place = controls(suite)
    assert [worker.threads for worker in threads.workers] == [1, 1]
    assert dropout.workers == last_place.workers == suite.workers
    assert threads.recipe == suite.recipe
    assert dropout.recipe == dataclasses.replace(suite.recipe, dropout="native")
    assert last_place.recipe == dataclasses.replace(suite.recipe, last_place=1)
    changed = dataclasses.replace(suite.recipe, last_place=1)
    assert controls(suite_with(tmp_path, changed))[2].recipe == dataclasses.replace(suite.recipe, last_place=0)
    assert threads.cells == dropout.cells == suite.cells
    assert len({suite.out, threads.out, dropout.out}) == 3
    assert controls(suite_with(tmp_path, threads=1))[0].workers[0].threads == 2
    with pytest.raises(UserError, match="--control: expected --dropout shared"):
        controls(suite_with(tmp_path, dataclasses.replace(suite.recipe, dropout="native")))


def test_families_vary_one_part_in_one_framework(tmp_path):
    suite = suite_with(tmp_path)
    both = families(suite, suite.frameworks)
    assert [(family.recipe.seeded, family.seeds) for family in both] == [((part,), [7]) for part in SEEDED]
    assert {name for family in both for name in family.frameworks} == {"torch"}
    alone = dataclasses.replace(suite, workers=[Worker("paddle")])
    assert [family.frameworks for family in families(alone, alone.frameworks)] == [["paddle"]] * len(SEEDED)
    assert not any(family.cells for family in families(alone, suite.frameworks))
    with pytest.raises(UserError, match="--variance: expected several --seeds"):
        families(suite_with(tmp_path, seeds=[2000]), suite.frameworks)


@pytest.mark.slow
def test_a_suite_with_its_studies(tmp_path):
    options = ("--preset", "demo", "--bits", "12", "--epochs", "1", "--seeds", "2000", "2001", "--frameworks", "paddle")
    text = helpers.benchmark("--out", tmp_path, *options, "--control", "--variance", "--cell-cpus", "1").stdout
    noise, variance = text.split("Noise floor (A/A)")[1].split("Variance components of mAP")
    assert [row["control"].split(", ")[1][:9] for row in cells(noise)] == ["2 vs 1 th", "native dr", "one weigh"]
    assert [row["source"] for row in cells(variance)] == [*SEEDED, "all seeds together"]
    assert all(row["n"] == "2" for row in cells(variance))
    assert len({row["sd of mAP"] for row in cells(variance)}) > 1  # the families do not vary the same thing


@pytest.mark.slow
def test_a_single_run_with_its_studies(tmp_path):
    """What a batch scheduler starts; seed 2000 is the base of every family and belongs to none."""
    arguments = ("--preset", "demo", "--bits", "12", "--epochs", "1", "--seeds", "2000", "2001", "--out", tmp_path)
    helpers.run("compare/benchmark.py", *arguments, "--control", "--variance", "--cell", "torch:12:2000")
    finished = {str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("result.json")}
    cell = "torch/bits12-seed2000"
    assert finished == {cell, f"control/threads/{cell}", f"control/dropout/{cell}", f"control/last-place/{cell}"}


@pytest.mark.slow
def test_studies_of_fewer_lengths_and_seeds_than_the_suite(tmp_path):
    """Commands of their own into the same folder train what they name alone, and print the table of everything."""
    options = ("--preset", "demo", "--epochs", "1", "--frameworks", "paddle", "--cell-cpus", "1", "--out", tmp_path)
    suite = ("--bits", "12", "24", "--seeds", "2000", "2001")
    helpers.benchmark(*options, *suite)
    helpers.benchmark(*options, "--bits", "12", "24", "--seeds", "2001", "--control")
    text = helpers.benchmark(*options, "--bits", "12", "--seeds", "2000", "2001", "--variance").stdout
    finished = [str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("result.json")]
    assert len(finished) == 4 + 2 * len(CONTROLS) + len(SEEDED)
    assert all(folder.endswith("seed2001") for folder in finished if folder.startswith(("control", "variance")))
    assert all(folder.endswith("bits12-seed2001") for folder in finished if folder.startswith("variance"))
    assert {row["bits"] for row in cells(text)} == {"12", "24"}
    noise, variance = text.split("Noise floor (A/A)")[1].split("Variance components of mAP at 12 bits")
    assert [row["n"] for row in cells(noise)] == ["2"] * len(CONTROLS)
    assert [row["n"] for row in cells(variance)] == ["2"] * (len(SEEDED) + 1)
    assert [(row["bits"], row["n"]) for row in cells(variance.split("apart, means over n")[1])] == [
        (bits, "1") for bits in ("12", "24") for _ in CONTROLS
    ]
    assert text.split("\n\nwritten to")[0].splitlines()[-1].startswith("Over 12 and 24 bits, a framework is apart from")
    again = [command.partition(" --epochs")[0].split("--bits ")[1] for command in suite_commands(gather([tmp_path]))]
    assert again == ["12 24 --seeds 2000 2001", "12 24 --seeds 2001", "12 --seeds 2000 2001"]
