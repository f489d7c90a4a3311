"""The paper's other experiments: the authors' settings and lengths, quoted rows, and both presets at a hundredth."""

import dataclasses
import json

import numpy as np
import pytest

from compare.benchmark import build_parser, main
from compare.suite.images import data_at_hand
from compare.suite.settings import settled
from compare.tables.published import published_apart, published_columns, published_curves
from compare.tables.table import make_table
from shared.config.recipe import LENGTHS, PRESETS
from shared.network.alexnet import RELU_LAYERS
from shared.system.errors import UserError
from shared.training.departures import departures, departures_in_words
from shared.training.runs import run_of
from tests.data.drawn import picture
from tests.rows import cells, finish, plan

II = dataclasses.replace(PRESETS["cifar10-ii"], backbone_layers=RELU_LAYERS, listed_train=50_000)
IMAGENET = dataclasses.replace(PRESETS["imagenet100"], backbone_layers=RELU_LAYERS, listed_train=10_000)
TINY = ("--set", "width=0.0625", "--set", "input_px=64", "--epochs", 1, "--backbone-weights", "none", "--skip-align")


def test_presets_have_the_authors_settings():
    paper = PRESETS["paper"]
    others = {"preset", "protocol", "epochs", "lr_drop_epoch", "eval_every"}
    for recipe, more in ((PRESETS["cifar10-ii"], set()), (PRESETS["imagenet100"], {"dataset", "num_classes", "topk"})):
        differing = {f.name for f in dataclasses.fields(recipe) if getattr(recipe, f.name) != getattr(paper, f.name)}
        assert differing - {"penalty_weight"} == others | more
        assert (recipe.protocol, recipe.batch_size, recipe.learning_rate, recipe.momentum) == ("listed", 32, 1e-3, 0.9)
    assert [II.learning_rate_at(epoch) for epoch in (20, 21, 40)] == pytest.approx([1e-3, 1e-4, 1e-4])
    assert [IMAGENET.learning_rate_at(epoch) for epoch in (80, 81, 100)] == pytest.approx([1e-3, 1e-4, 1e-4])
    assert (II.penalty_weight, IMAGENET.penalty_weight, IMAGENET.measure) == (0.1, 1.0, "mAP@1000")


@pytest.mark.parametrize(
    ("preset", "lengths"),
    [("cifar10-ii", [16, 24, 32, 48]), ("imagenet100", [16, 32, 48, 64]), ("cpu", [*LENGTHS])],
)
def test_a_preset_has_its_published_lengths(preset, lengths):
    assert settled(build_parser().parse_args(["--preset", preset])).bits == lengths
    assert settled(build_parser().parse_args(["--preset", preset, "--bits", "8"])).bits == [8]


def test_cifar10_ii_stands_beside_the_quoted_figure(tmp_path):
    assert departures(II) == []
    assert published_columns(II) == {"paper": {48: "0.944"}}
    assert published_curves(II, 48) == {}
    plan(tmp_path, bits=[24, 48])
    for bits in (24, 48):
        finish(tmp_path, dataclasses.replace(II, bits=bits), "torch", 0.9)
    table = make_table(tmp_path)
    assert [row["paper"] for row in cells(table.text)] == ["-", "0.944"]
    assert "Published implementations" not in table.text
    assert "CIFAR-10 (II) at the end of its training, as quoted by DeepHash-pytorch" in table.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 5}, ["5 epochs instead of 40"]),
        ({"optimizer": "adamw"}, ["AdamW instead of SGD"]),
        ({"lr_drop_epoch": 30}, ["learning rate lowered after 30 epochs instead of 20"]),
    ],
)
def test_another_setting_sets_the_quoted_figure_apart(change, words):
    recipe = dataclasses.replace(II, **change)
    assert departures_in_words(recipe) == words
    assert published_columns(recipe) == {}
    assert [(row.source, row.maps) for row in published_apart(recipe)] == [("paper", {48: "0.944"})]


def test_deephashs_redraw_is_another_experiment():
    recipe = dataclasses.replace(PRESETS["paper"], protocol="cifar10-2")
    assert "protocol" in departures(recipe)
    assert published_apart(recipe) == []


def test_imagenet100_never_stands_beside_its_own_settings(tmp_path):
    assert departures(IMAGENET) == ["augmentation"]
    assert departures_in_words(IMAGENET) == ["no random crops and flips of the training images"]
    plan(tmp_path, bits=[64])
    finish(tmp_path, dataclasses.replace(IMAGENET, bits=64), "torch", 0.6)
    text = make_table(tmp_path).text
    assert "paper" not in cells(text)[0]
    apart = text.split("Published, other settings: here no random crops and flips of the training images (mAP@1000):")[
        1
    ]
    assert cells(apart) == [{"bits": "64", "paper": "0.688"}]
    assert "that the images are ImageNet-100 is their user's word" in text


def test_imagenet100_needs_images():
    with pytest.raises(UserError, match="--preset imagenet100: expected --data with a folder"):
        data_at_hand(None, "imagenet100")


@pytest.fixture(scope="module")
def hundredth_of_imagenet(tmp_path_factory):
    """100 classes: an image each to train on, 50 queries, 1,285 in the database, as lists with one-hot rows."""
    folder = tmp_path_factory.mktemp("imagenet100")
    parts = {"train.txt": range(100), "test.txt": range(100, 150), "database.txt": range(150, 1435)}
    one_hot = np.eye(100, dtype=int)
    for name, numbers in parts.items():
        rows = []
        for number in numbers:
            picture(folder / "images" / f"{number}.png", (24, 16), seed=number)
            rows.append(f"images/{number}.png {' '.join(map(str, one_hot[number % 100]))}\n")
        (folder / name).write_text("".join(rows))
    return folder


@pytest.fixture(scope="module")
def hundredth_of_cifar(tmp_path_factory):
    """10 classes, 500 images to train on and 100 queries, in train and test parts."""
    folder = tmp_path_factory.mktemp("cifar10-ii")
    for part, images in (("train", 50), ("test", 10)):
        for k in range(10):
            for i in range(images):
                picture(folder / part / f"c{k}" / f"{i}.png", (32, 32), seed=1000 * k + i + (part == "test") * 500)
    return folder


@pytest.mark.parametrize(
    ("preset", "images", "sizes", "measure"),
    [
        ("imagenet100", "hundredth_of_imagenet", (100, 50, 1285), "mAP@1000"),
        pytest.param("cifar10-ii", "hundredth_of_cifar", (500, 100, 500), "mAP", marks=pytest.mark.slow),
    ],
)
def test_a_preset_trains_in_both_frameworks(preset, images, sizes, measure, request, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data = request.getfixturevalue(images)
    main(list(map(str, ("--preset", preset, "--data", data, "--bits", 16, "--out", tmp_path, *TINY))))
    for framework in ("torch", "paddle"):
        run = run_of(tmp_path, framework, 16, 2000)
        result, recipe = run.result(), run.recipe()
        assert (recipe.num_train, recipe.preset, recipe.width) == (sizes[0], preset, 0.0625)
        assert (result["retrieval"]["queries"], result["retrieval"]["items"]) == sizes[1:]
    table = json.loads((tmp_path / "table.json").read_text())["table"]
    assert {f"PyTorch {measure}", f"Paddle {measure}"} <= table[0].keys()
