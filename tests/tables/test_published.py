"""Published numbers beside a suite, or apart with the departures in words; where each figure is from."""

import csv
import dataclasses
import json
from itertools import product

import pandas as pd
import pytest

from compare.tables.table import write_table
from shared.config.recipe import PRESETS
from shared.network.alexnet import RELU_LAYERS
from shared.training.departures import departures
from tests import helpers
from tests.rows import PAPER, cells, finish, plan

MAP = {"expected": 0.7, "worst": 0.6, "best": 0.8, "stable": 0.7, "argsort": None}


def test_paper_protocol_stands_beside_the_published_numbers(tmp_path):
    plan(tmp_path, bits=[12, 48])
    for bits, torch, paddle in ((12, 0.771, 0.78), (48, 0.82, 0.815)):
        finish(tmp_path, dataclasses.replace(PAPER, bits=bits), "torch", torch)
        finish(tmp_path, dataclasses.replace(PAPER, bits=bits), "paddle", paddle)
    text = write_table(tmp_path)
    assert cells(text) == [
        {
            "bits": "12",
            "Paddle - PyTorch": "+0.0090",
            "PyTorch mAP": "0.7710",
            "PyTorch ties": "0.7610-0.7810",
            "PyTorch best": "0.7760",
            "Paddle mAP": "0.7800",
            "Paddle ties": "0.7700-0.7900",
            "Paddle best": "0.7850",
            "paper": "0.774",
        },
        {
            "bits": "48",
            "Paddle - PyTorch": "-0.0050",
            "PyTorch mAP": "0.8200",
            "PyTorch ties": "0.8100-0.8300",
            "PyTorch best": "0.8250",
            "Paddle mAP": "0.8150",
            "Paddle ties": "0.8050-0.8250",
            "Paddle best": "0.8200",
            "paper": "0.822",
        },
    ]
    published = cells(text.split("Published implementations")[1])
    assert published == json.loads((tmp_path / "table.json").read_text())["published"]
    assert published[0] == {
        "bits": "12",
        "published PyTorch last": "0.779",
        "published PyTorch best": "0.789",
        "published Paddle last": "0.796",
        "published Paddle best": "0.798",
        "PyTorch argsort last": "0.7730",
        "PyTorch argsort best": "0.7770",
        "Paddle argsort last": "0.7820",
        "Paddle argsort best": "0.7860",
    }
    assert published[1]["published Paddle best"] == "0.819"


def test_without_published_columns_there_is_no_argsort(tmp_path):
    plan(tmp_path)
    absent = {"map_argsort_best": None, "map_last": MAP, "map_best": MAP}
    finish(tmp_path, dataclasses.replace(PAPER, batch_size=64, bits=12), "torch", 0.7, **absent)
    assert "argsort" not in write_table(tmp_path)
    row = pd.read_csv(tmp_path / "table.csv").iloc[0]
    assert row.map_last == 0.7
    assert row[["map_argsort_last", "map_argsort_best"]].isna().all()
    assert '"map_argsort_last":null' in (tmp_path / "table.json").read_text().replace(" ", "")


def test_shorter_run_stands_beside_the_published_curves_at_its_epoch(tmp_path):
    plan(tmp_path)
    finish(tmp_path, dataclasses.replace(PAPER, preset="cpu", epochs=5, eval_every=0, bits=12), "torch", 0.7)
    text = write_table(tmp_path)
    (row,), (published,) = cells(text), cells(text.split("Published implementations")[1])
    assert published["published PyTorch at epoch 5"] == "0.718"
    assert published["published Paddle at epoch 5"] == "0.700"
    assert row["Paddle mAP"] == row["Paddle ties"] == row["Paddle - PyTorch"] == "-"
    assert row["PyTorch mAP"] == "0.7000"
    assert not {"paper", "PyTorch best"} & row.keys()  # nothing but the last epoch is scored


def test_shorter_run_of_the_published_protocol_has_the_paper_apart(tmp_path):
    """Its curve is known at that epoch, but the paper gives the end alone."""
    plan(tmp_path)
    finish(tmp_path, dataclasses.replace(PAPER, epochs=5, bits=12), "torch", 0.7)
    text = write_table(tmp_path)
    assert apart(text) == ["5 epochs instead of 50"]
    assert cells(text.split(APART)[1]) == [{"bits": "12", "paper": "0.774"}]


APART = "Published, other settings: here "


def apart(text):
    """The departures that stand above the published numbers of other settings."""
    return text.split(APART)[1].split(" (mAP):")[0].split("; ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"backbone": "file"},
            "all layers from a weights file instead of ImageNet",
        ),
        ({"backbone_layers": RELU_LAYERS[:5]}, "fc6 and fc7 random instead of ImageNet"),
        ({"backbone": "none", "backbone_layers": ()}, "all layers random instead of ImageNet"),
        (
            {"backbone": "file", "backbone_layers": RELU_LAYERS[:1]},
            "conv1 from a weights file, conv2, conv3, conv4, conv5, fc6 and fc7 random instead of ImageNet",
        ),
        ({"learning_rate": 2e-3}, "learning rate 0.002 instead of 0.001"),
        ({"lr_drop_epoch": 8}, "learning rate lowered after 8 epochs instead of 30"),
        ({"batch_size": 64}, "batch 64 instead of 32"),
        ({"width": 0.5}, "width x0.5 instead of 1"),
        ({"input_px": 96}, "96 px instead of 224"),
        ({"hidden_units": 1024}, "1024 hidden units instead of 4096"),
        ({"pooled_px": 2}, "pooled to 2 px instead of 6"),
        ({"queries_per_class": 50}, "50 queries a class instead of 100"),
        ({"train_per_class": 100}, "100 training images a class instead of 500"),
        ({"database": "rest"}, "database rest instead of train+rest"),
        ({"seeded": ("order",)}, "seeded order instead of split, weights, order and dropout"),
    ],
)
def test_any_departure_sets_the_published_numbers_apart_in_words(tmp_path, change, words):
    recipe = dataclasses.replace(PAPER, bits=12, **change)
    assert departures(recipe) == sorted(change)
    plan(tmp_path, bits=[12, 13])
    finish(tmp_path, recipe, "torch", 0.7)
    text = write_table(tmp_path)
    assert "paper" not in cells(text)[0]
    assert "Published implementations" not in text
    assert apart(text) == [words]
    published = cells(text.split(APART)[1])
    values = {"paper": "0.774", "published PyTorch at epoch 50": "0.779", "published Paddle at epoch 50": "0.796"}
    assert published == [{"bits": "12", **values}, {"bits": "13", **dict.fromkeys(values, "-")}]
    shown = json.loads((tmp_path / "table.json").read_text())["other_settings"]
    assert (shown["rows"], shown["title"]) == (published, f"{APART}{words} (mAP):")


def test_departures_are_named_together_and_the_curves_stand_at_the_runs_own_last_epoch(tmp_path):
    plan(tmp_path)
    recipe = dataclasses.replace(PAPER, bits=12, preset="cpu", epochs=5, backbone_layers=RELU_LAYERS[:5], eval_every=0)
    for framework, score in (("torch", 0.47), ("paddle", 0.46)):
        finish(tmp_path, recipe, framework, score)
    text = write_table(tmp_path)
    assert apart(text) == ["5 epochs instead of 50", "fc6 and fc7 random instead of ImageNet"]
    expected = {"paper": "0.774", "published PyTorch at epoch 5": "0.718", "published Paddle at epoch 5": "0.700"}
    assert cells(text.split(APART)[1]) == [{"bits": "12"} | expected]
    assert cells(text)[0]["Paddle - PyTorch"] == "-0.0100"  # of the two frameworks alone


def test_longer_run_stands_apart_from_the_end_of_the_published_ones(tmp_path):
    plan(tmp_path)
    finish(tmp_path, dataclasses.replace(PAPER, bits=12, epochs=60), "torch", 0.78)
    text = write_table(tmp_path)
    assert "Published implementations" not in text
    assert apart(text) == ["60 epochs instead of 50"]
    expected = {"paper": "0.774", "published PyTorch at epoch 50": "0.779", "published Paddle at epoch 50": "0.796"}
    assert cells(text.split(APART)[1]) == [{"bits": "12"} | expected]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset": "custom"}, "other images instead of CIFAR-10"),
        ({"protocol": "cifar10-2"}, "protocol cifar10-2 instead of cifar10-1"),
        ({"dataset": "custom", "epochs": 1}, "other images instead of CIFAR-10; 1 epoch instead of 50"),
    ],
)
def test_other_data_or_split_has_no_published_numbers(tmp_path, change, words):
    plan(tmp_path)
    finish(tmp_path, dataclasses.replace(PAPER, bits=12, **change), "torch", 0.7)
    text = write_table(tmp_path)
    assert f"- No published numbers of these settings: {words}.\n" in text
    assert "0.774" not in text
    assert json.loads((tmp_path / "table.json").read_text())["other_settings"] == {}


def test_demo_stands_above_what_to_expect_of_the_published_protocol(tmp_path):
    plan(tmp_path)
    for framework in ("torch", "paddle"):
        finish(tmp_path, dataclasses.replace(PRESETS["demo"], bits=12), framework, 0.97)
    text = write_table(tmp_path)
    assert [row["bits"] for row in cells(text)] == ["12"]
    title = "Published, other settings: what to expect from --preset paper, which trains on CIFAR-10 (I) (mAP):"
    expected = cells(text.split(title)[1])
    assert text.index("0.9700") < text.index(title)
    assert expected[0] == {
        "bits": "12",
        "paper": "0.774",
        "published PyTorch last": "0.779",
        "published Paddle last": "0.796",
    }
    assert [row["paper"] for row in expected] == ["0.774", "0.795", "0.810", "0.822"]
    assert "No published numbers of these settings: digits instead of CIFAR-10; 15 epochs instead of 50; " in text


def published_map():
    with (helpers.PROJECT_ROOT / "results" / "reference" / "published_map.csv").open() as file:
        return list(csv.DictReader(file))


def test_reference_files_agree_with_each_other():
    """The last-epoch rows of the table are the last points of the curves, and its best epochs their largest."""
    with (helpers.PROJECT_ROOT / "results" / "reference" / "published_curves.csv").open() as curves:
        points = list(csv.DictReader(curves))
    names = {
        "paddle_greedyhash: PyTorch rerun": "pytorch_rerun",
        "paddle_greedyhash: Paddle 2.2.2": "paddle_greedyhash",
    }
    rows = [row for row in published_map() if row["source"] in names]
    assert len(rows) == 4
    for row, bits in product(rows, ("12", "24", "32", "48")):
        of = {p["epoch"]: p["map"] for p in points if (p["source"], p["bits"]) == (names[row["source"]], bits)}
        assert row[bits] == (of[row["epochs"]] if row["selection"] == "last epoch" else max(of.values(), key=float))


def test_every_published_figure_says_where_it_is_from():
    """What was not read in its source is quoted, and says by whom."""
    rows = published_map()
    facts = ("data", "metric", "source", "framework", "selection", "ties", "epochs", "status", "note")
    assert all(row[fact] for row in rows for fact in facts)
    quoted = {row["data"]: row for row in rows if row["source"].startswith("paper")}
    assert {data: row["status"] for data, row in quoted.items()} == {
        "CIFAR-10 (I)": "quoted by paddle_greedyhash (README)",
        "CIFAR-10 (II)": "quoted by DeepHash-pytorch (README)",
        "ImageNet-100": "quoted by DeepHash-pytorch (README)",
    }
    lengths = ("12", "16", "24", "32", "48", "64")
    values = {data: {bits: row[bits] for bits in lengths if row[bits]} for data, row in quoted.items()}
    assert values["CIFAR-10 (II)"] == {"48": "0.944"}
    assert values["ImageNet-100"] == {"64": "0.688"}
    assert (quoted["ImageNet-100"]["metric"], quoted["CIFAR-10 (II)"]["epochs"]) == ("mAP@1000", "40")


def test_package_holds_the_committed_reference_files():
    """An installed package reads its own copies, which are those under results/."""
    package, committed = (helpers.PROJECT_ROOT / part / "reference" for part in ("compare/tables", "results"))
    names = {file.name for file in committed.glob("*.csv")}
    assert {file.name for file in package.iterdir()} == names
    assert len(names) == 2
    for name in names:
        assert (package / name).read_bytes() == (committed / name).read_bytes()
