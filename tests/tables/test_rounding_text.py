"""What the table says of a study of rounding: each number from its own runs, and nothing before all seeds are there."""

import dataclasses
import json

import numpy as np
import pytest

from compare.page.rerun import suite_commands
from compare.stats.gather import gather
from compare.stats.rounding import floor_size, pair_size, told_from_floor
from compare.stats.rounding_study import rounding_studies
from compare.suite.rounding import CASES, FLOOR, OF_FAMILIES, difference_file, rounding_folder
from compare.tables.table import make_table, write_table
from shared.system.errors import UserError
from shared.training.runs import run_of
from tests.rounding_rows import BASE, DEMO, NATIVE_BASE, SEEDS, STEPS, finish_study
from tests.rows import cells, finish, plan

FLOOR_MAPS = np.array([[base, *(base + STEPS[case][n] for case in FLOOR)] for n, base in enumerate(BASE.values())])
NATIVE_MAPS = np.array(
    [[b + NATIVE_BASE + s, b + NATIVE_BASE] for b, s in zip(BASE.values(), STEPS["native"], strict=True)]
)


@pytest.fixture
def study(tmp_path):
    finish_study(tmp_path)
    return tmp_path


def rows_of(out):
    return {row["kernels"]: row for row in cells(write_table(out).split("Rounding at 12 bits")[1])}


def test_every_case_has_its_own_numbers(study):
    rows = rows_of(study)
    assert len(rows) == 3 + len(OF_FAMILIES)
    floor, native, conv = (rows[name] for name in ("floor: one weight changed", "all native", "conv.fwd alone native"))
    size = floor_size(FLOOR_MAPS)
    assert (floor["n"], floor["rms"], floor["mean"]) == ("12", f"{size.rms:.4f}", f"{size.mean:+.4f}")
    assert (floor["interval of rms"], floor["reading"]) == (size.rms_interval.text(".4f"), "the floor")
    told = told_from_floor(FLOOR_MAPS, {"native": NATIVE_MAPS})["native"]
    assert (native["n"], native["rms"]) == ("3", f"{pair_size(NATIVE_MAPS).rms:.4f}")
    assert (native["ratio"], native["p scale"]) == (f"{told.ratio:.2f}", f"{told.p_scale:.4f}")
    assert (native["p location"], native["reading"]) == (f"{told.p_location:.4f}", told.verdict)
    assert (conv["mean"], conv["first step"]) == ("+0.0200", "1 to 3")


def test_how_runs_part(study):
    rows = rows_of(study)
    headings = ("first step", "after step 1", "after the first steps", "at the end", "code bits")
    assert [rows["all native"][name] for name in headings] == ["1 to 3", "6.0e-09", "6.0e-04", "6.0e-02", "0.60%"]
    # of the four weights and three seeds: 1 to 6 units, 3.5 at the median and on average
    floor = rows["floor: one weight changed"]
    assert [floor[name] for name in headings] == ["1 to 3", "3.5e-09", "3.5e-04", "3.5e-02", "0.35%"]
    shared = rows["all shared"]
    assert [shared[name] for name in headings] == ["none of 50", "0.0e+00", "0.0e+00", "0.0e+00", "0.00%"]
    assert shared["reading"] == rows["ce alone native"]["reading"] == "the same bits"


def test_frameworks_with_shared_kernels_that_are_not_the_same(study):
    recipe = dataclasses.replace(DEMO, kernels="shared", seed=2001)
    run_of(rounding_folder(study, "shared"), "paddle", 12, 2001).result_file.unlink()
    finish(rounding_folder(study, "shared"), recipe, "paddle", 0.9501, checkpoint_sha256="shared-first-2001")
    assert rows_of(study)["all shared"]["reading"] == "NOT the same bits"


def test_two_sentences_and_a_note_beside_the_verdict(study):
    text = write_table(study)
    told = told_from_floor(FLOOR_MAPS, {"native": NATIVE_MAPS})["native"]
    assert f"Paddle - PyTorch, 12 bits, beside rounding alone: rms {told.size.rms:.4f} over 3 seeds, where" in text
    native, families = text.split("\n\n")[-2:]
    assert native.startswith("Rounding alone, one weight one unit in the last place away, moves mAP by an rms of")
    assert f"{told.ratio:.2f} {told.ratio_interval.text('.2f')} times that, which cannot be told from it" in native
    assert "80 % probability" in native
    assert families.startswith("Of 12 families alone native, the same bits in both frameworks: conv.dx, conv.dw")
    assert families.endswith("A row is no share of a whole: the rows do not add up.")


def test_no_test_before_all_seeds_are_there(tmp_path):
    finish_study(tmp_path, SEEDS[:2])
    rows = rows_of(tmp_path)
    assert rows["all native"]["n"] == "2"
    assert rows["all native"]["reading"] == rows["ce alone native"]["reading"] == "waits for all seeds"
    text = write_table(tmp_path)
    assert "beside rounding alone" not in text
    assert "waits for all 3 seeds" in text


def test_native_kernels_are_tested_before_the_families(tmp_path):
    finish_study(tmp_path, cases=("shared", *FLOOR, "native", *OF_FAMILIES[:3]))
    rows = rows_of(tmp_path)
    assert rows["all native"]["reading"] == "not told from the floor"
    assert rows["conv.fwd alone native"]["reading"] == "waits for all seeds"


def test_one_seed_has_no_study(tmp_path):
    finish_study(tmp_path, SEEDS[:1])
    assert rounding_studies(gather([tmp_path])) == []
    assert "rounding" not in make_table(tmp_path).content


def test_a_suite_without_the_study_has_no_word_of_it(tmp_path):
    plan(tmp_path)
    for name in ("torch", "paddle"):
        finish(tmp_path, DEMO, name, 0.9)
    write_table(tmp_path)
    assert "rounding" not in json.loads((tmp_path / "table.json").read_text())


def test_a_difference_of_other_runs_is_not_shown(study):
    for seed in SEEDS:
        file = difference_file(study, "native", 12, seed)
        values = json.loads(file.read_text())
        file.write_text(json.dumps(values | {"checkpoints": ["another", "run"]}))
    assert rows_of(study)["all native"]["first step"] == "-"


def test_a_run_of_another_recipe_in_the_study_is_refused(study):
    recipe = dataclasses.replace(DEMO, kernels="shared", seed=2003)
    finish(rounding_folder(study, "shared-ce"), recipe, "torch", 0.9)
    with pytest.raises(UserError, match="expected the recipe of the other runs, received kernels 'shared'"):
        write_table(study)


def test_the_command_repeats_the_study(study):
    assert ["--rounding" in command for command in suite_commands(gather([study]))] == [True]
    assert {case for case, _, _ in gather([study]).partings} == set(CASES)
