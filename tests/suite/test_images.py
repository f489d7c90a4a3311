"""What a suite's recipe takes from its images and from the options of the split; leaks are told before training."""

import dataclasses

import numpy as np
import pytest

from compare.benchmark import build_parser
from compare.suite.images import look_at_splits, with_data
from compare.suite.planning import chosen_recipe
from shared.config.recipe import PRESETS
from shared.data import cifar
from shared.system.errors import UserError
from shared.system.progress import Progress
from shared.training.departures import departures_in_words
from tests.data.drawn import class_folders, list_files, picture

DEMO = PRESETS["demo"]


class Kept(Progress):
    """Keeps the notes."""

    def __init__(self):
        super().__init__()
        self.notes = []

    def note(self, text, detail=False):
        self.notes.append(text)


def asked(*options):
    arguments = build_parser().parse_args(options)
    return chosen_recipe(arguments, "demo" if arguments.preset == "auto" else arguments.preset)


def test_the_recipe_has_the_classes_of_the_images(tmp_path):
    recipe, dataset = with_data(DEMO, class_folders(tmp_path, 5), "", Progress())
    assert (recipe.num_classes, recipe.class_names) == (5, dataset.class_names)
    assert (recipe.protocol, recipe.listed_train) == ("digits-1", 0)


def test_list_files_are_taken_as_they_are(tmp_path):
    listed = list_files(tmp_path)
    recipe, dataset = with_data(DEMO, listed, "", Progress())
    assert (recipe.protocol, recipe.num_train) == ("listed", 9)
    assert cifar.split_for(dataset, recipe).database.tolist() == dataset.listed.database.tolist()
    with pytest.raises(UserError, match="list files are a split: expected --protocol listed, received cifar10-2"):
        with_data(dataclasses.replace(DEMO, protocol="cifar10-2"), listed, "", Progress())
    with pytest.raises(UserError, match="queries_per_class: expected none with the protocol listed"):
        with_data(dataclasses.replace(DEMO, queries_per_class=1), listed, "", Progress())


def test_a_split_of_files_is_refused_where_they_have_none(tmp_path):
    recipe = dataclasses.replace(DEMO, protocol="listed")
    with pytest.raises(UserError, match="the protocol listed expects files with a split of their own"):
        with_data(recipe, class_folders(tmp_path), "", Progress())


def test_parts_of_files_are_drawn_from_unless_their_split_is_asked_for(tmp_path):
    for part in ("train", "test"):
        class_folders(tmp_path / part)
    drawn, dataset = with_data(dataclasses.replace(DEMO, queries_per_class=2, train_per_class=3), tmp_path, "", Kept())
    assert len(cifar.split_for(dataset, drawn).database) == 18
    taken, _ = with_data(dataclasses.replace(DEMO, protocol="listed"), tmp_path, "", Kept())
    assert cifar.split_for(dataset, taken).query.tolist() == list(range(12, 24))
    assert taken.listed_train == 12


def test_leaks_are_noted_for_each_seed_or_refused(tmp_path):
    class_folders(tmp_path)
    for i in range(4):
        picture(tmp_path / "c1" / f"{i}.png", seed=0)
    recipe, dataset = with_data(
        dataclasses.replace(DEMO, queries_per_class=1, train_per_class=1), tmp_path, "", Progress()
    )
    progress = Kept()
    look_at_splits(recipe, dataset, str(tmp_path), [1, 2], False, progress)
    assert [note.split("; ")[0].split(": ")[2] for note in progress.notes] == ["seed 1", "seed 2"]
    assert all("the split leaks: 1 of 3 queries" in note or "2 of 3 queries" in note for note in progress.notes)
    with pytest.raises(UserError, match=r"seed 1: the split leaks: .*; leave out --strict-split to train on it"):
        look_at_splits(recipe, dataset, str(tmp_path), [1, 2], True, progress)
    distinct = dataclasses.replace(dataset, pixels=np.arange(12, dtype=np.uint8).repeat(12).reshape(12, 2, 2, 3))
    look_at_splits(recipe, distinct, str(tmp_path), [1, 2], True, progress)


def test_queries_of_a_class_that_nothing_is_found_of_are_noted(tmp_path):
    listed = list_files(tmp_path)
    for name in ("train.txt", "database.txt"):
        lines = (listed / name).read_text().splitlines(keepends=True)
        (listed / name).write_text("".join(line for line in lines if not line.startswith("c2/")))
    recipe, dataset = with_data(DEMO, listed, "", Progress())
    progress = Kept()
    look_at_splits(recipe, dataset, "d", [1], True, progress)
    assert progress.notes == [
        "note: d: seed 1: 1 of 3 queries are of a class of which the database has no image: they count as 0",
        "note: d: seed 1: 1 of 3 queries are of a class of which the training set has no image: nothing is learned of "
        "them",
    ]


def test_options_of_the_split_are_settings_of_the_recipe():
    options = ("--preset", "demo", "--data", "x", "--queries-per-class", "3", "--train-per-class", "8", "--topk", "7")
    recipe = asked(*options, "--database", "rest")
    assert recipe.rule == (3, 8, "rest")
    assert recipe.measure == "mAP@7"
    stored = asked("--preset", "cpu", "--store-px", "48")
    assert (stored.stored_px, PRESETS["cpu"].stored_px) == (48, PRESETS["cpu"].input_px)
    assert "pictures stored at 48 px instead of the network's input" in departures_in_words(stored)
    assert asked("--preset", "cpu", "--queries-per-class", "100", "--database", "all") == PRESETS["cpu"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "x"), "--data: expected --preset beside it where there is no GPU"),
        (("--preset", "demo", "--protocol", "listed"), "--protocol goes with --data or --preset"),
        (("--preset", "demo", "--data", "x", "--backbone-weights", "y"), "--backbone-weights goes with --preset"),
        (
            ("--preset", "cpu", "--protocol", "listed", "--database", "rest"),
            "database: expected none with the",
        ),
        (("--topk", "0"), "--topk: expected a whole number from 1, received"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        asked(*options)
