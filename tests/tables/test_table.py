"""The table is a pure function of run folders: averages, pairs and verdicts over seeds, and what is refused."""

import dataclasses
from itertools import product

import numpy as np
import pandas as pd
import pytest

from compare.stats.anytime import interim
from compare.stats.equivalence import paired
from compare.tables.table import write_table
from shared.system.errors import UserError
from shared.training.runs import run_of
from tests import helpers
from tests.rows import PAPER, cells, finish, plan


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
    assert "90 % interval" not in text


def test_queries_without_relevant_items_are_counted_below_the_table(tmp_path):
    plan(tmp_path, seeds=[1, 2])
    for seed in (1, 2):
        finish(tmp_path, dataclasses.replace(PAPER, bits=12, seed=seed), "torch", 0.5)
    assert "no relevant item" not in write_table(tmp_path)
    run = run_of(tmp_path, "torch", 12, 2)
    run.write_result(run.result() | {"retrieval": run.result()["retrieval"] | {"queries_without_relevant": 40}})
    assert "- Seed 2: 40 of 1000 queries have no relevant item, and count as 0.\n" in write_table(tmp_path)


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


def test_several_lengths_are_judged_one_by_one_and_together(tmp_path):
    scatter = {12: (0.001, -0.002, 0.0015, 0.0), 24: (0.02, 0.021, 0.0195, 0.02), 48: (0.3, 0.2, 0.1)}
    plan(tmp_path, bits=[12, 24, 48], seeds=[1, 2, 3, 4])
    for bits, values in scatter.items():
        for seed, difference in enumerate(values, 1):
            recipe = dataclasses.replace(PAPER, bits=bits, seed=seed)
            finish(tmp_path, recipe, "torch", 0.5)
            finish(tmp_path, recipe, "paddle", 0.5 + difference)
    text = write_table(tmp_path)
    averages = np.mean([scatter[12], scatter[24]], axis=0)  # 48 bits wait for their fourth pair
    expected = []
    for bits, values in (("12", scatter[12]), ("24", scatter[24]), ("average", averages)):
        mean, error = np.mean(values), np.std(values, ddof=1) / 2
        # Student's t with 3 degrees of freedom, 95 % and 97.5 %
        ends = [f"[{mean - t * error:+.4f}, {mean + t * error:+.4f}]" for t in (2.353363, 3.182446)]
        inside = max(abs(mean - 2.353363 * error), abs(mean + 2.353363 * error)) < 0.01
        off_0 = abs(mean) > 3.182446 * error
        word = {(True, False): "equivalent", (False, True): "different", (True, True): "different but within"}
        cells_of = ("4", f"{mean:+.4f}", f"{np.std(values, ddof=1):.4f}", *ends, word[inside, off_0])
        at_any_time = interim([*values], 0.01)
        # noncentral t with 3 degrees of freedom: a mean of so many standard errors is seen with 80 % probability
        detected = f"{4.2558988 * error:.4f}"
        anytime = (detected, at_any_time.interval.text(), f"{at_any_time.probability:.2f}")
        expected.append((bits, *cells_of, *anytime))
    table = text.split("verdicts length by length, and all together: on each seed's average over these lengths.")[1]
    assert [tuple(row.values()) for row in cells(table)] == expected
    columns = "bits, n, mean, sd, 90 % interval, 95 % interval, verdict at 0.010, detected, anytime, P within"
    assert ", ".join(cells(table)[0]) == columns
    assert "12 bits: with sd" not in text  # the table says it
    assert "48 bits: 3 of 4 planned pairs are finished" in text
    assert f"- Paddle - PyTorch, 48 bits, {interim(scatter[48], 0.01).sentence()}." in text


def test_a_length_that_waits_says_what_holds_at_any_time(tmp_path):
    plan(tmp_path, seeds=[1, 2, 3, 4])
    for seed, difference in enumerate((0.001, 0.002, 0.004), 1):
        recipe = dataclasses.replace(PAPER, bits=12, seed=seed)
        finish(tmp_path, recipe, "torch", 0.5)
        finish(tmp_path, recipe, "paddle", 0.5 + difference)
    text = write_table(tmp_path)
    assert f"- Paddle - PyTorch, 12 bits, {interim([0.001, 0.002, 0.004], 0.01).sentence()}." in text
    assert "detected with 80 %" not in text


def test_one_length_has_its_verdict_in_a_sentence_alone(tmp_path):
    plan(tmp_path, seeds=[1, 2])
    for seed, framework in product((1, 2), ("torch", "paddle")):
        finish(tmp_path, dataclasses.replace(PAPER, bits=12, seed=seed), framework, 0.5 + 0.01 * seed)
    text = write_table(tmp_path)
    assert "all together" not in text
    assert "average" not in text.split("Verdict:")[1]


@pytest.mark.parametrize("margin", ["0", "1"])
def test_margin_out_of_range_is_refused(margin):
    done = helpers.benchmark("--preset", "demo", "--margin", margin, status=2)
    assert "margin: expected a mAP between 0 and 1 (one point is 0.01)" in done.stderr
