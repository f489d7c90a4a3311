"""CIFAR-10 is known by its content or an explicit label, in any form and order; counts alone make nothing CIFAR-10."""

import dataclasses
import json
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image

from compare.conversion.convert import with_recipe
from compare.suite.images import as_begun, with_data
from compare.tables.published import PAPER, published_apart, published_columns
from shared.checkpoint.checkpoint import Checkpoint
from shared.config.recipe import PRESETS
from shared.data import cifar, identity
from shared.data.identity import CIFAR10, moments
from shared.network.alexnet import RELU_LAYERS
from shared.network.initial import initial_weights
from shared.system.errors import UserError
from shared.system.progress import Progress
from shared.training.departures import departures
from shared.training.runs import Run
from tests.fakes import KeptProgress

TRAIN, TEST = 3, 1
# as published for the training images on the scale 0..255
MEANS = ("125.306918046875", "122.950394140625", "113.86538318359375")
DEVIATIONS = ("62.993219278136884", "62.08870764001421", "66.70489964063091")
COUNT = 50_000 * 32 * 32
CURVES = ("published PyTorch", "published Paddle")


def test_the_fingerprint_is_what_is_published():
    for mean, deviation, total, squares in zip(MEANS, DEVIATIONS, CIFAR10.sums, CIFAR10.squares, strict=True):
        assert Decimal(mean) * COUNT == total
        assert round((Decimal(deviation) ** 2 + Decimal(mean) ** 2) * COUNT) == squares


@pytest.mark.parametrize("count", [1, 7, 2500])
def test_moments_are_exact_in_any_order(count):
    pixels = np.random.RandomState(count).randint(0, 256, (count, 4, 5, 3), dtype=np.uint8)
    whole = pixels.reshape(-1, 3).astype(object)
    assert moments(pixels) == (tuple(whole.sum(axis=0)), tuple((whole**2).sum(axis=0)))
    assert moments(pixels[::-1, ::-1]) == moments(pixels)


def test_moments_of_known_images():
    pixels = np.array([[[[0, 1, 255]]], [[[2, 1, 255]]]], np.uint8)
    assert moments(pixels) == ((2, 2, 510), (4, 2, 2 * 255**2))


@pytest.fixture
def known(monkeypatch):
    """A little CIFAR-10 of 3 + 1 images of 4x4 a class, and what it is known by."""
    labels = np.concatenate([np.tile(np.arange(10), TRAIN), np.tile(np.arange(10), TEST)])
    pixels = np.random.RandomState(5).randint(0, 256, (len(labels), 4, 4, 3), dtype=np.uint8)
    sums, squares = moments(pixels[: 10 * TRAIN])
    little = CIFAR10._replace(size=(4, 4), counts=(TRAIN, TEST), sums=sums, squares=squares)
    monkeypatch.setattr(identity, "KNOWN", (little,))
    return pixels, labels


def as_npz(path, pixels, labels):
    n = 10 * TRAIN
    np.savez(path, x_train=pixels[:n], y_train=labels[:n], x_test=pixels[n:], y_test=labels[n:])
    return path


def as_folder(path, pixels, labels, names=CIFAR10.classes):
    for i, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        folder = path / ("train" if i < 10 * TRAIN else "test") / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    return path


def test_the_same_images_are_known_in_every_form_and_order(known, tmp_path):
    pixels, labels = known
    order = np.append(np.random.RandomState(1).permutation(10 * TRAIN), np.arange(10 * TRAIN, len(labels)))
    for data in (
        as_npz(tmp_path / "a.npz", pixels, labels),
        as_npz(tmp_path / "b.npz", pixels[order], labels[order]),
        as_folder(tmp_path / "names", pixels, labels),
        as_folder(tmp_path / "numbers", pixels, labels, list("0123456789")),
    ):
        dataset = cifar.load(data)
        assert (dataset.name, dataset.class_names, dataset.notes) == ("cifar10", (), ())
        assert dataset.class_of(3) == "cat"


def test_a_single_other_value_makes_another_set(known, tmp_path):
    pixels, labels = known
    pixels[0, 0, 0, 0] ^= 1
    dataset = cifar.load(as_npz(tmp_path / "a.npz", pixels, labels))
    assert (dataset.name, dataset.class_of(3)) == ("custom", "class 3")
    assert "not its pixels: called custom" in dataset.notes[0]


def test_folders_called_otherwise_are_a_set_of_their_own(known, tmp_path):
    pixels, labels = known
    names = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    for label, notes in (("", 0), ("copy of CIFAR-10", 1)):
        dataset = cifar.load(as_folder(tmp_path / "data", pixels, labels, names), label)
        assert dataset.name == "custom"
        assert [dataset.class_of(label) for label in (0, 1, 8)] == ["bird", "car", "ship"]
        assert len(dataset.notes) == notes


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("JPEG copy of CIFAR-10", "cifar10"),
        ("Cifar10, re-encoded", "cifar10"),
        ("JPEG copy", "custom"),
        ("", "custom"),
        ("like CIFAR-100", "custom"),
        ("CIFAR-10.1", "custom"),
    ],
)
def test_other_images_of_the_same_counts_are_only_what_they_are_called(label, name, known, tmp_path):
    pixels, labels = known
    data = as_npz(tmp_path / "a.npz", 255 - pixels, labels)
    dataset = cifar.load(data, label)
    assert dataset.name == name
    if name == "custom":
        suggested = f"{label or 'copy'} of CIFAR-10"
        assert f"--label '{suggested}'" in dataset.notes[0]
        assert cifar.load(data, suggested).name == "cifar10"


def test_noise_with_cifars_counts_is_not_cifar10(fake_cifar):
    dataset = cifar.load(fake_cifar[0])
    assert (dataset.name, dataset.class_of(0)) == ("custom", "class 0")
    assert "as many images as CIFAR-10 has, of its size, but not its pixels" in dataset.notes[0]
    recipe, _ = with_data(
        dataclasses.replace(PRESETS["cpu"], backbone_layers=RELU_LAYERS), fake_cifar[0], "", Progress()
    )
    assert published_columns(recipe) == {}
    assert published_apart(recipe) == []


def test_a_label_that_does_not_fit_is_told(known, tmp_path):
    pixels, labels = known
    data = as_npz(tmp_path / "a.npz", pixels[:-1], labels[:-1])
    dataset = cifar.load(data, "most of CIFAR-10")
    assert dataset.name == "custom"
    assert (
        "the label names CIFAR-10, but that has 3 + 1 images of 4x4 a class, and these are 30 + 9 of 4x4"
        in (dataset.notes[0])
    )


def test_only_what_is_cifar10_stands_beside_published_numbers(known, tmp_path):
    pixels, labels = known
    data = as_npz(tmp_path / "a.npz", 255 - pixels, labels)
    paper = dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS)
    for label, differing, notes in (("", ["dataset"], 1), ("a copy of CIFAR-10", [], 0)):
        progress = KeptProgress()
        recipe, dataset = with_data(paper, data, label, progress)
        assert departures(recipe) == differing
        assert bool(published_columns(recipe)) == (not differing)
        # nor do they stand apart, as beside a copy in other settings
        other = dataclasses.replace(recipe, epochs=5, backbone_layers=RELU_LAYERS[:5])
        assert [row.source for row in published_apart(other)] == ([] if differing else [PAPER, *CURVES])
        assert len(progress.notes) == notes
        assert recipe.data_sha256 == dataset.digest()


def test_names_of_classes_do_not_make_another_protocol(known, tmp_path):
    data = as_folder(tmp_path / "data", *known, [f"c{i}" for i in range(10)])
    recipe, _ = with_data(dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS), data, "", Progress())
    assert recipe.class_names == tuple(f"c{i}" for i in range(10))
    assert departures(recipe) == ["dataset"]


def test_a_suite_of_an_earlier_version_says_what_to_do(tmp_path):
    """That called any images with CIFAR-10's counts cifar10."""
    begun = dataclasses.replace(PRESETS["cpu"], data_sha256="a" * 64)
    Run(tmp_path / "torch" / "bits48-seed2000").prepare(begun)
    assert as_begun(begun, tmp_path, "JPEG copy of CIFAR-10") == begun
    other = dataclasses.replace(begun, dataset="custom")
    with pytest.raises(UserError, match=r"called cifar10 there and custom now; .* --label 'JPEG copy of CIFAR-10', or"):
        as_begun(other, tmp_path, "JPEG copy")
    assert as_begun(dataclasses.replace(other, data_sha256="b" * 64), tmp_path, "") != begun


def test_a_suite_without_names_of_classes_goes_on(tmp_path):
    begun = dataclasses.replace(PRESETS["cpu"], dataset="custom", data_sha256="a" * 64)
    Run(tmp_path / "torch" / "bits48-seed2000").prepare(begun)
    assert as_begun(dataclasses.replace(begun, class_names=tuple("abcdefghij")), tmp_path, "") == begun


def test_real_images_are_near_the_published_ones(real_images):
    dataset = cifar.load(real_images / "cifar10.npz", "JPEG copy")
    sums, _ = moments(dataset.pixels[:50_000])
    np.testing.assert_allclose(np.array(sums) / COUNT, list(map(float, MEANS)), atol=0.5)
    assert dataset.name == "custom"


@pytest.mark.parametrize(("label", "name", "notes"), [("", "custom", 1), ("copy of CIFAR-10", "cifar10", 0)])
def test_a_recipe_for_foreign_weights_says_the_same_of_the_data(label, name, notes, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(identity, "KNOWN", (CIFAR10._replace(size=(2, 2), counts=(500, 100)),))
    arrays = {"x_train": np.zeros((5000, 2, 2, 3), np.uint8), "x_test": np.zeros((1000, 2, 2, 3), np.uint8)}
    labels = {"y_train": np.tile(np.arange(10), 500), "y_test": np.tile(np.arange(10), 100)}
    np.savez(tmp_path / "a.npz", **arrays, **labels)
    foreign = Checkpoint(initial_weights(dataclasses.replace(PRESETS["demo"], bits=12, width=1 / 64), {}))
    recipe = json.loads(with_recipe(foreign, PRESETS["cpu"], tmp_path / "a.npz", label).recipe)
    assert (recipe["dataset"], recipe["class_names"], recipe["preset"]) == (name, [], "cpu")
    assert capsys.readouterr().err.count("but not its pixels: called custom") == notes
