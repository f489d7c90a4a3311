"""The table is a pure function of run folders, and published numbers stand only beside their own protocol."""

import csv
import dataclasses
import json
from itertools import product

import pandas as pd
import pytest

from compare.stats.equivalence import paired
from compare.tables.table import write_table
from shared.network.alexnet import RELU_LAYERS
from shared.system.errors import UserError
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


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "custom"},
        {"protocol": "cifar10-2"},
        {"backbone": "file"},
        {"backbone_layers": RELU_LAYERS[:5]},
        {"learning_rate": 2e-3},
        {"width": 0.5},
        {"hidden_units": 1024},
        {"pooled_px": 2},
    ],
)
def test_any_departure_from_the_protocol_hides_the_published_numbers(tmp_path, change):
    recipe = dataclasses.replace(PAPER, bits=12, **change)
    assert departures(recipe) == list(change)
    plan(tmp_path)
    finish(tmp_path, recipe, "torch", 0.7)
    text = write_table(tmp_path)
    assert "paper" not in cells(text)[0]
    assert "Published implementations" not in text
    assert f"No published numbers: not the published protocol ({next(iter(change))} differ)" in text


def test_seeds_are_averaged_and_paired(tmp_path):
    plan(tmp_path, seeds=[1, 2, 3])
    scores = {1: (0.70, 0.71), 2: (0.72, 0.74), 3: (0.74, None)}
    for seed, (torch, paddle) in scores.items():
        recipe = dataclasses.replace(PAPER, bits=12, seed=seed)
        finish(tmp_path, recipe, "torch", torch)
        if paddle is not None:
            finish(tmp_path, recipe, "paddle", paddle)
    text = write_table(tmp_path)
    row = cells(text)[0]
    assert (row["PyTorch mAP"], row["PyTorch ties"]) == ("0.7200 +- 0.0200 (n=3)", "0.7100-0.7300")
    assert (row["Paddle - PyTorch"], row["n"]) == ("+0.0150 +- 0.0071", "2")  # seed 3 has no partner
    assert row["Paddle mAP"] == "0.7250 +- 0.0212"
    assert "1 of 3 runs not finished" in text
    assert "- 12 bits: 2 of 3 planned pairs are finished, so far +0.0150 on average; the verdict waits" in text
    assert "interval" not in text


def test_regenerates_byte_for_byte(small_suite):
    names = ("table.md", "table.csv", "table.json")
    before = [(small_suite / name).read_bytes() for name in names]
    for name in names:
        (small_suite / name).unlink()
    write_table(small_suite)
    assert [(small_suite / name).read_bytes() for name in names] == before


@pytest.mark.parametrize("seeds", [[2000], [1, 2, 3]])
def test_table_of_a_suite_fits_a_terminal(tmp_path, seeds):
    plan(tmp_path, seeds=seeds)
    recipe = dataclasses.replace(PAPER, preset="cpu", dataset="custom", bits=12)
    for seed, framework in product(seeds, ("torch", "paddle")):
        finish(tmp_path, dataclasses.replace(recipe, seed=seed, eval_every=0), framework, 0.7)
    lines = write_table(tmp_path).splitlines()
    assert max(len(line) for line in lines if line.startswith("|")) <= 120
    groups = [line for line in lines if line.endswith(":") and not line.startswith(("-", "|"))]
    assert groups == ["Numbers:", "Data and recipe:", "Verdict:", "Environment:"]


def test_csv_has_one_row_per_run(tmp_path):
    plan(tmp_path)
    for framework in ("torch", "paddle"):
        finish(tmp_path, dataclasses.replace(PAPER, bits=12), framework, 0.7)
    write_table(tmp_path)
    rows = pd.read_csv(tmp_path / "table.csv")
    assert rows.framework.tolist() == ["paddle", "torch"]
    assert rows.map_last.tolist() == [0.7, 0.7]
    assert rows.map_last_ties_worst.tolist() == pytest.approx([0.69, 0.69])


def test_nothing_finished_yet(tmp_path):
    plan(tmp_path)
    assert write_table(tmp_path) == "No run is finished yet."


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"initial_weights_sha256": "j"}, "initial weights differ"), ({"weights_moved": 0.0}, "weights did not move")],
)
def test_runs_that_do_not_belong_together_are_refused(tmp_path, changes, message):
    plan(tmp_path)
    recipe = dataclasses.replace(PAPER, bits=12)
    finish(tmp_path, recipe, "paddle", 0.7)
    finish(tmp_path, recipe, "torch", 0.7, **changes)
    with pytest.raises(UserError, match=message):
        write_table(tmp_path)


def test_reference_files_agree_with_each_other():
    """The last-epoch rows of the table are the last points of the curves."""
    folder = helpers.PROJECT_ROOT / "results" / "reference"
    with (folder / "published_map.csv").open() as maps, (folder / "published_curves.csv").open() as curves:
        table = {row["source"]: row for row in csv.DictReader(maps) if row["selection"].startswith("last")}
        last = {(row["source"], row["bits"]): row["map"] for row in csv.DictReader(curves) if row["epoch"] == "50"}
    names = {
        "paddle_greedyhash: PyTorch rerun": "pytorch_rerun",
        "paddle_greedyhash: Paddle 2.2.2": "paddle_greedyhash",
    }
    for source, curve in names.items():
        assert [table[source][bits] for bits in ("12", "24", "32", "48")] == [
            last[curve, bits] for bits in ("12", "24", "32", "48")
        ]


def test_package_holds_the_committed_reference_files():
    """An installed package reads its own copies, which are those under results/."""
    package, committed = (helpers.PROJECT_ROOT / part / "reference" for part in ("compare/tables", "results"))
    names = {file.name for file in committed.glob("*.csv")}
    assert {file.name for file in package.iterdir()} == names
    assert len(names) == 2
    for name in names:
        assert (package / name).read_bytes() == (committed / name).read_bytes()


def test_no_verdict_from_one_seed(tmp_path):
    plan(tmp_path)
    for framework, score in (("torch", 0.5), ("paddle", 0.509)):
        finish(tmp_path, dataclasses.replace(PAPER, bits=12), framework, score)
    note = "No verdict: one seed per length shows no spread (--seeds); equivalence margin 0.01."
    assert note in write_table(tmp_path)


def test_verdict_over_seeds_is_that_of_the_paired_differences(tmp_path):
    scatter = {12: (0.001, -0.002, 0.0015, 0.0), 24: (0.02, 0.021, 0.0195, 0.02)}
    plan(tmp_path, bits=[12, 24], seeds=[1, 2, 3, 4])
    for bits, values in scatter.items():
        for seed, difference in enumerate(values, 1):
            recipe = dataclasses.replace(PAPER, bits=bits, seed=seed, margin=0.005)
            finish(tmp_path, recipe, "torch", 0.5 + 0.1 * seed)
            finish(tmp_path, recipe, "paddle", 0.5 + 0.1 * seed + difference)
    finish(tmp_path, dataclasses.replace(PAPER, bits=12, seed=9, margin=0.005), "torch", 0.9)  # has no partner
    text = write_table(tmp_path)
    assert f"- Paddle - PyTorch, 12 bits: {paired(scatter[12], 0.005).sentence()}." in text
    assert "- Paddle - PyTorch, 12 bits: equivalent within 0.005" in text
    assert "- Paddle - PyTorch, 24 bits: different (by more than 0.005)" in text
    assert (
        "- Paddle - PyTorch: not shown to be within 0.005 at every length (equivalent: 12 bits; different: 24" in text
    )
    row = cells(text)[1]
    assert (row["Paddle - PyTorch"], row["n"]) == ("+0.0201 +- 0.0006", "4")


@pytest.mark.parametrize("margin", ["0", "1"])
def test_margin_out_of_range_is_refused(margin):
    done = helpers.benchmark("--preset", "demo", "--margin", margin, status=2)
    assert "margin: expected a mAP between 0 and 1 (one point is 0.01)" in done.stderr
