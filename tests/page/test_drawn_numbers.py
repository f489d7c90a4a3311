"""What is drawn of precision and recall, of the ladder and of the speed: each number at its own place."""

import dataclasses
from itertools import product

import numpy as np

from compare.page.codes import LengthMetrics, code_metrics
from compare.page.curves import precision_recall
from compare.page.data import read_suite
from compare.page.figures import precision_recall_figure
from compare.page.more_figures import growth, growth_points, ladder, throughput, throughput_rows
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.config.recipe import PRESETS
from shared.scoring.curves import PrecisionRecall
from shared.training.runs import run_of
from tests.page.drawn import legend, lines
from tests.rows import EPOCH, finish, plan, retrieval

RECIPE = dataclasses.replace(PRESETS["cpu"], bits=12, epochs=3, eval_every=1, dataset="custom")
CURVE = {"precision": [0.9, 0.8, 0.7, *[0.6] * 10], "recall": [0.1, 0.2, 0.3, *[0.4] * 10]}


def test_precision_stands_over_recall(tmp_path):
    plan(tmp_path, seeds=[1])
    scores = retrieval(12) | {"radius_curve": CURVE, "within_radius_2": {"precision": 0.7, "recall": 0.3, "f1": 0.42}}
    finish(tmp_path, dataclasses.replace(RECIPE, seed=1), "torch", 0.5, retrieval=scores)
    by_rank = PrecisionRecall(precision=np.array([1.0, 0.75]), recall=np.array([0.05, 0.45]))
    codes = Codes(np.arange(3), np.array([0, 0, 1]), pack_codes(np.eye(3) > 0), np.ones((3, 3), np.float32), None, 1)
    metrics = LengthMetrics(1, {"torch": code_metrics(codes)._replace(by_rank=by_rank)}, None, {})
    picture = precision_recall(read_suite(tmp_path), 12, metrics)
    (axes,) = picture.figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("recall", "precision")
    curve, points = axes.lines
    assert (curve.get_xdata().tolist(), curve.get_ydata().tolist()) == ([0.05, 0.45], [1.0, 0.75])
    assert (list(points.get_xdata()), list(points.get_ydata())) == (CURVE["recall"], CURVE["precision"])
    assert legend(picture) == {"PyTorch Lightning"}
    assert "PyTorch Lightning 0.700 and 0.300" in picture.alt


def test_precision_stands_over_recall_in_the_figure_of_a_score():
    by_rank = PrecisionRecall(precision=np.array([1.0, 0.75]), recall=np.array([0.05, 0.45]))
    by_radius = PrecisionRecall(precision=np.array(CURVE["precision"]), recall=np.array(CURVE["recall"]))
    (axes,) = precision_recall_figure(by_rank, by_radius, "a title").axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("recall", "precision", "a title")
    for line, drawn in zip(axes.lines, (by_rank, by_radius), strict=True):
        assert line.get_xdata().tolist() == drawn.recall.tolist()
        assert line.get_ydata().tolist() == drawn.precision.tolist()
    labels = [line.get_label() for line in axes.lines]
    assert labels == ["after each rank, expected", "within each Hamming radius"]


def test_figure_of_the_ladder_tells_what_was_measured_from_its_limit():
    rungs = [
        {"rung": "forward", "measured": 2e-6, "limit": 1e-5},
        {"rung": "exact", "measured": 0.0, "limit": 0.0},
        {"rung": "losses", "measured": 0.0, "limit": 1e-12},
    ]
    picture = ladder({"rungs": rungs})
    (axes,) = picture.figure.axes
    (measured,), (limits,) = lines(picture, "measured"), lines(picture, "limit")
    assert [*measured.get_xdata()] == [2e-6, 1e-17]  # 0 has no place on such an axis
    assert [*limits.get_xdata()] == [1e-5, 1e-12]
    places = [label.get_text() for label in axes.get_yticklabels()]
    assert [places[axes.get_yticks().tolist().index(y)] for y in measured.get_ydata()] == ["forward", "losses"]
    assert [*limits.get_ydata()] == [*measured.get_ydata()]
    assert axes.get_xscale() == "log"
    assert legend(picture) == {"measured", "limit"}
    assert picture.alt == "2 rungs with a limit; nearest to its own: forward, at 20.0% of it."


def test_figure_of_the_growth_goes_by_the_steps():
    records = [
        {
            "name": f"float32 weights after step {step}",
            "max_relative": step * 1e-7,
            "growth_step": step,
            "differing_bits": 0,
        }
        for step in (1, 4, 9)
    ]
    align = {"rungs": [{"records": [{"name": "step 1 fc6", "max_relative": 0.5, "note": ""}, *records]}]}
    assert growth_points(align) == [(step, step * 1e-7, 0) for step in (1, 4, 9)]
    (axes,) = growth(align).figure.axes
    (line,) = axes.lines
    assert ([*line.get_xdata()], [*line.get_ydata()]) == ([1, 4, 9], [step * 1e-7 for step in (1, 4, 9)])
    assert (axes.get_xlabel(), axes.get_yscale()) == ("training step", "log")


def test_speed_is_images_by_seconds_in_rows_and_bars(tmp_path):
    plan(tmp_path, seeds=[1, 2])
    speeds = {"torch": (100.0, 300.0, 700.0), "paddle": (40.0, 60.0, 50.0)}
    seconds = {"torch": (10.0, 30.0), "paddle": (20.0, 20.0)}
    for framework, seed in product(speeds, (1, 2)):
        recipe, taken = dataclasses.replace(RECIPE, seed=seed), seconds[framework][seed - 1]
        finish(tmp_path, recipe, framework, 0.5, encode_seconds=taken)
        for epoch, speed in enumerate(speeds[framework], 1):
            run_of(tmp_path, framework, 12, seed).append_log(EPOCH | {"epoch": epoch, "images_per_second": speed})
    rows = throughput_rows(read_suite(tmp_path))
    images = 1000 + 59_000
    expected = [
        {"framework": "torch", "bits": 12, "training": 300.0, "encoding": (images / 10 + images / 30) / 2},
        {"framework": "paddle", "bits": 12, "training": 50.0, "encoding": images / 20},
    ]
    assert rows == expected
    picture = throughput(rows)
    for axes, phase in zip(picture.figure.axes, ("training", "encoding"), strict=True):
        bars = {container.get_label(): container.patches[0].get_height() for container in axes.containers}
        assert axes.get_title() == phase
        assert bars == {"PyTorch Lightning": expected[0][phase], "PaddlePaddle": expected[1][phase]}
    assert legend(picture) == {"PyTorch Lightning", "PaddlePaddle"}
    assert "PyTorch Lightning training 300 images/s" in picture.alt
    assert "PaddlePaddle encoding 3,000 images/s" in picture.alt
