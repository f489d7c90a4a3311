"""The study of rounding: which runs it plans, what it is refused for, and how two runs' difference is kept."""

import dataclasses
import json

import numpy as np
import pytest

from compare.ladder.same_bits_inputs import training_request
from compare.suite.rounding import (
    CASES,
    FLOOR,
    OF_FAMILIES,
    compared_runs,
    difference_file,
    known_difference,
    read_difference,
    rounding,
    rounding_folder,
)
from shared.config.kernels import FAMILIES, shared_families
from shared.config.recipe import PRESETS
from shared.data import cifar
from shared.network.initial import initial_weights
from shared.system.errors import UserError
from shared.training.batches import batches_of_epoch
from shared.training.ranks import ALONE
from shared.training.runs import run_of
from tests import helpers
from tests.helpers import batch_arrays
from tests.rounding_rows import finish_study, parting_of
from tests.rows import suite_with

BOTH = ["paddle", "torch"]


def test_runs_of_the_study_differ_in_kernels_and_one_weight_alone(tmp_path):
    suite = suite_with(tmp_path)
    studied = {each.out.name: each for each in rounding(suite, BOTH)}
    assert len(studied) == 1 + len(FLOOR) + len(FAMILIES)
    assert studied["shared"].recipe == dataclasses.replace(suite.recipe, kernels="shared")
    for number, case in enumerate(FLOOR, 1):
        assert studied[case].recipe == dataclasses.replace(suite.recipe, kernels="shared", last_place=number)
        assert studied[case].frameworks == ["torch"]
    for family, case in zip(FAMILIES, OF_FAMILIES, strict=True):
        assert shared_families(studied[case].recipe.kernels) == set(FAMILIES) - {family}
        assert studied[case].recipe == dataclasses.replace(suite.recipe, kernels=f"shared-{family}")
        assert studied[case].frameworks == suite.frameworks
    assert all(each.seeds == suite.seeds and each.bits == suite.bits for each in studied.values())


def test_no_run_is_planned_twice(tmp_path):
    suite = suite_with(tmp_path)
    suites = [suite, *rounding(suite, BOTH)]
    runs = [run_of(each.out, *cell).folder for each in suites for cell in each.cells]
    assert len(set(runs)) == len(runs) == 2 * (2 + 2 + 4 + 2 * len(FAMILIES))
    recipes = [(each.recipe, cell) for each in suites for cell in each.cells]
    assert len(set(recipes)) == len(recipes)
    compared = {run.folder for case in CASES for seed in suite.seeds for run in compared_runs(tmp_path, case, 12, seed)}
    assert compared == set(runs)


def test_every_case_compares_what_it_is_for(tmp_path):
    folders = {
        case: [str(run.folder.relative_to(tmp_path)) for run in compared_runs(tmp_path, case, 12, 7)] for case in CASES
    }
    run = "bits12-seed7"
    assert folders["native"] == [f"paddle/{run}", f"torch/{run}"]
    assert folders["shared"] == [f"rounding/shared/paddle/{run}", f"rounding/shared/torch/{run}"]
    assert folders["last-place-3"] == [f"rounding/last-place-3/torch/{run}", f"rounding/shared/torch/{run}"]
    assert folders["shared-ce"] == [f"rounding/shared-ce/paddle/{run}", f"rounding/shared-ce/torch/{run}"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": "shared"}, "expected a suite with kernels native, .* received shared; leave that setting out"),
        ({"dropout": "native"}, "expected a suite with dropout shared"),
        ({"last_place": 2}, "expected a suite with last_place 0"),
        ({"optimizer": "adamw"}, "expected a suite with optimizer sgd, .* received adamw; leave that setting out"),
    ],
)
def test_a_suite_with_something_changed_already_is_refused(tmp_path, changes, message):
    recipe = dataclasses.replace(PRESETS["demo"], **changes)
    with pytest.raises(UserError, match=message):
        rounding(suite_with(tmp_path, recipe), BOTH)


def test_what_has_no_shared_kernels_or_no_pair_or_spread_is_refused(tmp_path):
    suite = suite_with(tmp_path)
    with pytest.raises(UserError, match="--rounding: expected two or more --seeds"):
        rounding(dataclasses.replace(suite, seeds=[2000]), BOTH)
    with pytest.raises(UserError, match=r"--rounding: expected .*received no PyTorch Lightning"):
        rounding(suite, ["paddle"])
    with pytest.raises(UserError, match="expected a CPU"):
        rounding(dataclasses.replace(suite, devices={"torch": "cuda", "paddle": "cuda"}), BOTH)
    with pytest.raises(UserError, match="expected one process, received 2"):
        rounding(dataclasses.replace(suite, devices={"torch": "cpu", "paddle": "cpu"}), BOTH, processes=2)


def test_a_kept_difference_is_of_the_runs_that_are_there(tmp_path):
    finish_study(tmp_path, cases=("shared", "native"))
    file = difference_file(tmp_path, "native", 12, 2001)
    expected = parting_of("native", 2001, ("native-first-2001", "native-second-2001"))
    assert known_difference(tmp_path, "native", 12, 2001) == read_difference(file) == expected
    other = dataclasses.replace(expected, checkpoints=("of another run", "native-second-2001"))
    other.write(file)
    assert known_difference(tmp_path, "native", 12, 2001) is None
    expected.write(file)
    run_of(rounding_folder(tmp_path, "native"), "torch", 12, 2001).result_file.unlink()
    assert known_difference(tmp_path, "native", 12, 2001) is None
    assert known_difference(tmp_path, "native", 12, 9) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"first_step": 0},
        {"code_bits": 1.5},
        {"distances": {}},
        {"distances": {"one": 0.1}},
        {"distances": {"1": -1.0}},
        {"checkpoints": ["a"]},
        {"more": 1},
    ],
)
def test_a_damaged_difference_is_refused(tmp_path, damage):
    file = tmp_path / "bits12-seed2000.json"
    parting_of("native", 2000, ("a", "b")).write(file)
    file.write_text(json.dumps(json.loads(file.read_text()) | damage))
    with pytest.raises(UserError, match=r"bits12-seed2000\.json"):
        read_difference(file)


def test_first_steps_are_those_of_a_run():
    """Images, masks and learning rates, over the end of an epoch, whose last batch is smaller."""
    recipe = dataclasses.replace(helpers.small_recipe(), seed=5, seeded=("order", "dropout"), lr_drop_epoch=1)
    images = cifar.load(cifar.DIGITS)
    train = cifar.split_for(images, recipe).train
    request, arrays = training_request(recipe, images, train, initial_weights(recipe, {}), 40, [40])
    batches = [batch_arrays(epoch, batch) for epoch in map(_epoch(recipe, train), (1, 2)) for batch in epoch.batches]
    for step, (index, masks) in enumerate(batches[:40]):
        places = arrays["order"][step]
        places = places[places >= 0]
        assert np.array_equal(arrays["images"][places], images.pixels[index])
        assert np.array_equal(arrays["labels"][places], images.labels[index])
        for name, mask in zip(("mask6", "mask7"), masks, strict=True):
            assert np.array_equal(arrays[name][step][: len(index)], mask)
    assert [len(index) for index, _ in batches[30:33]] == [32, 8, 32]
    assert request.learning_rates == (recipe.learning_rate_at(1),) * 32 + (recipe.learning_rate_at(2),) * 8
    assert (request.num_steps, request.saved_steps) == (40, (40,))


def _epoch(recipe, train):
    return lambda epoch: batches_of_epoch(recipe, train, epoch, ALONE)
