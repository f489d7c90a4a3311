"""Images of one's own through both frameworks: three classes, and a hundred; what is made of a run knows them."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from compare import example_images
from compare.conversion import convert
from compare.page.code_metrics import METRICS_FILE
from compare.page.codes import code_metrics
from compare.page.report import write_report
from compare.tables.table import make_table
from shared.checkpoint.checkpoint import read_checkpoint
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes, unpack_codes
from shared.system.errors import UserError
from shared.training.runs import run_of
from tests import helpers

NAMES = ("disc", "square", "triangle")
TOPK = 7


def small(*options):
    return ("--preset", "demo", "--bits", "12", "--eval-every", "0", *options)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Folders of a finished suite of both frameworks, and of its images: three drawn classes, of many sizes."""
    folder = tmp_path_factory.mktemp("three")
    example_images.main([str(folder / "images"), "--images", "18"])
    (folder / "images" / "disc" / "3.png").write_bytes(b"no picture")
    counts = ("--queries-per-class", "3", "--train-per-class", "8", "--database", "rest", "--topk", TOPK)
    options = small("--data", folder / "images", *counts, "--epochs", "2", "--out", folder / "out")
    refused = helpers.benchmark(*options, "--frameworks", "torch", status=2)
    assert "1 of 54 pictures cannot be read" in refused.stderr
    helpers.benchmark(*options, "--skip-unreadable", "--strict-split")
    return folder / "out", folder / "images"


def stable_map(codes, topk):
    """mAP@K of the ranking by distance, then position, by plain NumPy."""
    bits, n = unpack_codes(codes.codes, codes.bits), codes.num_queries
    scores = []
    for query in range(n):
        distance = (bits[n:] != bits[query]).sum(axis=1)
        relevant = (codes.labels[n:] == codes.labels[query])[np.argsort(distance, kind="stable")][:topk]
        precisions = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
        scores.append((precisions * relevant).sum() / max(relevant.sum(), 1))
    return np.mean(scores)


def test_three_classes_are_trained_scored_and_named(framework, three):
    run = run_of(three[0], framework, 12, 2000)
    recipe, result = run.recipe(), run.result()
    assert (recipe.dataset, recipe.num_classes, recipe.class_names) == ("custom", 3, NAMES)
    codes = Codes.load(run.codes_file, 3)
    assert (codes.num_queries, len(codes.labels)) == (9, 9 + 53 - 3 * 11)
    assert result["map_last"]["stable"] == pytest.approx(stable_map(codes, TOPK), abs=1e-12)
    assert result["map_last"]["stable"] != pytest.approx(stable_map(codes, None), abs=1e-6)
    assert result["leaked_queries"] == 0
    trained = read_checkpoint(run.checkpoint_file)
    assert trained.num_classes == 3
    assert trained.weights["classifier.weight"].shape == (3, 12)
    with pytest.raises(UserError, match="labels from 0 to 2, where classes are 0 to 1"):
        Codes.load(run.codes_file, 2)


def test_the_table_names_classes_and_measure(three):
    table = make_table(three[0])
    assert {"PyTorch mAP@7", "Paddle mAP@7"} <= table.content["table"][0].keys()
    text = table.text
    assert (
        "of 3 classes (disc, square, triangle), protocol digits-1: 9 queries, 24 training images, database rest."
        in text
    )
    assert "mAP@7 over the first 7 items of the database ranking" in text
    assert "leaks" not in text


def test_the_report_names_them_and_doubts_labels_beyond_them(three, tmp_path):
    out = shutil.copytree(three[0], tmp_path / "out")
    page = write_report(out).read_text(encoding="utf-8")
    assert all(name in page for name in (*NAMES, "mAP@7 by code length", "The first query of each class"))
    file = out / METRICS_FILE
    values = json.loads(file.read_text())
    values["12"]["of"]["torch"]["rankings"][0][1] = 3
    file.write_text(json.dumps(values))
    assert "expected a whole number, 0 to 2" in write_report(out).read_text(encoding="utf-8")


def test_of_many_classes_the_first_have_a_row():
    count, bits = 60, 12
    packed = pack_codes(np.random.RandomState(0).rand(count, bits) > 0.5)
    labels = np.arange(count) % 30
    codes = Codes(np.arange(count), labels, packed, np.ones((count, bits), np.float32), labels, num_queries=30)
    assert [ranking.label for ranking in code_metrics(codes).rankings] == list(range(12))


@pytest.mark.slow_for("paddle")
def test_predict_names_one_of_three_classes(framework, three, tmp_path):
    run, images = run_of(three[0], framework, 12, 2000), three[1]
    Image.open(images / "square" / "0.png").convert("L").resize((31, 77)).save(tmp_path / "any.png")
    options = ("--checkpoint", run.checkpoint_file, "--data", images, "--image", tmp_path / "any.png", "--json")
    record = json.loads(helpers.worker(framework, "predict", *options).stdout)
    assert record["class"] in NAMES


@pytest.mark.slow_for("paddle")
def test_a_hundred_classes_with_the_split_of_their_files(framework, tmp_path):
    example_images.main([str(tmp_path / "images"), "--classes", "100", "--images", "3"])
    classes = sorted(folder.name for folder in (tmp_path / "images").iterdir())
    for part, numbers in (("train", (0, 1)), ("test", (2,))):
        lines = [f"{name}/{i}.png {label}\n" for label, name in enumerate(classes) for i in numbers]
        (tmp_path / "images" / f"{part}.txt").write_text("".join(lines))
    options = ("--data", tmp_path / "images", "--epochs", "1", "--frameworks", framework, "--out", tmp_path / "out")
    helpers.benchmark(*small(*options))
    run = run_of(tmp_path / "out", framework, 12, 2000)
    recipe = run.recipe()
    assert (recipe.protocol, recipe.num_classes, recipe.listed_train, recipe.num_train) == ("listed", 100, 200, 200)
    assert run.result()["retrieval"]["items"] == 200
    assert "of 100 classes, protocol listed: 200 training images" in make_table(tmp_path / "out").text
    trained = read_checkpoint(run.checkpoint_file)
    assert trained.weights["classifier.weight"].shape == (100, 12)
    convert.write(tmp_path / "model.pdparams", trained, "ours", None)
    again = read_checkpoint(tmp_path / "model.pdparams")
    assert all((again.weights[name] == array).all() for name, array in trained.weights.items())
    with pytest.raises(UserError, match=r"a classifier of 10 classes as in recipe\.json, received one of 100"):
        trained.check_resumable(helpers.small_recipe(), "here", ended=True)
