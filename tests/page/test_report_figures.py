"""What the figures of a report say: the verdict seed by seed, and axes that show no more than there is."""

import dataclasses
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from compare.frameworks.records import pairs
from compare.page.codes import code_metrics
from compare.page.curves import loss_curves, map_by_length, training
from compare.page.data import read_suite
from compare.page.differences import differences
from compare.page.figures import save_figure
from compare.page.inline_svg import inline_svg
from compare.page.rounding import rounding_picture
from compare.stats.equivalence import paired
from compare.suite.rounding import FLOOR
from compare.tables.table import make_table
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.config.recipe import PRESETS
from shared.network.alexnet import RELU_LAYERS
from shared.training.runs import run_of
from tests.page.drawn import legend, lines
from tests.rounding_rows import STEPS, finish_study
from tests.rows import EPOCH, finish, plan

RECIPE = dataclasses.replace(PRESETS["cpu"], bits=12, epochs=3, eval_every=1, dataset="custom")
SCATTER = {1: 0.001, 2: -0.002, 3: 0.0015}


def finish_pairs(out, scatter, bits=12):
    for seed, difference in scatter.items():
        for framework in ("torch", "paddle"):
            score = 0.5 + 0.05 * seed + (difference if framework == "paddle" else 0)
            finish(out, dataclasses.replace(RECIPE, bits=bits, seed=seed), framework, score)


def test_figure_of_the_verdict(tmp_path):
    plan(tmp_path, seeds=SCATTER)
    finish_pairs(tmp_path, SCATTER)
    picture, verdict = differences(read_suite(tmp_path), *pairs()), paired([*SCATTER.values()], RECIPE.margin)
    assert lines(picture, "one seed")[0].get_xdata() == pytest.approx([*SCATTER.values()])
    assert lines(picture, "90 % interval")[0].get_xdata() == pytest.approx(verdict.interval90)
    assert lines(picture, "mean")[0].get_xdata() == pytest.approx(verdict.mean)
    (band,) = picture.figure.axes[0].patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((-RECIPE.margin, RECIPE.margin))
    assert verdict.sentence() in picture.alt


def test_figure_of_the_verdict_waits_for_the_last_seed(tmp_path):
    plan(tmp_path, seeds=[*SCATTER, 4])
    finish_pairs(tmp_path, SCATTER)
    picture = differences(read_suite(tmp_path), *pairs())
    assert len(lines(picture, "one seed")[0].get_xdata()) == 3
    assert lines(picture, "90 % interval") == lines(picture, "mean") == []
    assert "12 bits: 3 seeds so far" in picture.alt


def test_one_seed_has_no_figure_of_the_verdict(tmp_path):
    plan(tmp_path, bits=[12, 24], seeds=[1])
    for bits in (12, 24):
        finish_pairs(tmp_path, {1: 0.001}, bits)
    assert differences(read_suite(tmp_path), *pairs()) is None


def log(out, framework, scores, seed=1):
    for epoch, score in enumerate(scores, 1):
        ties = dict.fromkeys(("expected", "best", "worst", "stable", "argsort"), score)
        scored = {"map": ties, "accuracy": 0.5, "encode_seconds": 1.0} if score else {}
        run_of(out, framework, 12, seed).append_log(EPOCH | {"epoch": epoch, "loss": 1.0, "lr": 1e-3, **scored})


def curves(out):
    return {picture.name: picture.figure.axes[0] for picture in training(read_suite(out))}


def suite(out, scores):
    plan(out, seeds=[1])
    finish_pairs(out, {1: 0.0})
    for framework in ("torch", "paddle"):
        log(out, framework, scores)


@pytest.mark.parametrize(
    ("scores", "drawn"),
    [
        ([0.5], set()),
        ([None, None, 0.5], {"loss-12", "learning_rate"}),
        ([None, 0.4, 0.5], {"loss-12", "map-12", "learning_rate"}),
    ],
    ids=["one epoch", "one score", "two scores"],
)
def test_one_point_draws_no_curve(tmp_path, scores, drawn):
    suite(tmp_path, scores)
    assert curves(tmp_path).keys() == drawn


def test_axes_magnify_no_rounding_and_count_epochs(tmp_path):
    suite(tmp_path, [0.97, 0.9700001, 0.9700002])
    for name, axes in curves(tmp_path).items():
        low, high = axes.get_ylim()
        assert high > 5 * low if name == "learning_rate" else high - low >= 0.05
        assert all(tick == int(tick) for tick in axes.get_xticks()), name


@pytest.mark.parametrize("score", [0.0, 0.0001, 0.5, 0.9999, 1.0])
@pytest.mark.parametrize("frameworks", [("torch",), ("torch", "paddle")])
def test_length_keeps_its_tick(tmp_path, frameworks, score):
    plan(tmp_path, frameworks=frameworks)
    exact = {"expected": score, "worst": score, "best": score, "stable": score, "argsort": score}
    for framework in frameworks:
        finish(tmp_path, RECIPE, framework, score, map_last=exact, map_best=exact, map_argsort_best=score)
    axes = map_by_length(read_suite(tmp_path)).figure.axes[0]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["12"]
    assert left < axes.get_xticks()[0] < right
    assert high - low >= 0.05 - 1e-12
    assert low <= score <= high


def test_runs_of_several_seeds_stand_side_by_side(tmp_path):
    plan(tmp_path, bits=[12, 24], seeds=[1, 2, 3])
    for bits in (12, 24):
        finish_pairs(tmp_path, SCATTER, bits)
    picture = map_by_length(read_suite(tmp_path))
    places = [x for line in picture.figure.axes[0].lines if line.get_marker() in "os" for x in line.get_xdata()]
    assert len(set(places)) == len(places) == 12
    assert "PyTorch Lightning 12 bits 0.6000 (mean of 3 seeds)" in picture.alt


def test_published_curves_stand_only_beside_their_protocol(tmp_path):
    plan(tmp_path)
    recipe = dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS, bits=12)
    finish(tmp_path, recipe, "torch", 0.77)
    run_of(tmp_path, "torch", 12, 2000).append_log(EPOCH | {"epoch": 1, "loss": 1.9, "lr": 0.001})
    assert {"published PyTorch", "published Paddle"} < legend(loss_curves(read_suite(tmp_path), 12))
    assert {"paper", "published PyTorch", "published Paddle"} < legend(map_by_length(read_suite(tmp_path)))


def test_published_curves_end_with_the_runs_last_epoch(tmp_path):
    plan(tmp_path)
    recipe = dataclasses.replace(PRESETS["cpu"], backbone_layers=RELU_LAYERS, bits=12, epochs=3)
    finish(tmp_path, recipe, "torch", 0.6)
    for epoch in (1, 2):  # of a run that has not come to its end
        run_of(tmp_path, "torch", 12, 2000).append_log(EPOCH | {"epoch": epoch, "loss": 1.9, "lr": 0.001})
    picture = loss_curves(read_suite(tmp_path), 12)
    for label in ("published PyTorch", "published Paddle"):
        (line,) = lines(picture, label)
        assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata().tolist() == [1.894, 1.558, 1.320]
    (curve,) = lines(picture, "PyTorch Lightning")
    assert curve.get_xdata().tolist() == [1, 2]


def test_published_values_of_other_settings_are_open_markers_called_so(tmp_path):
    plan(tmp_path, bits=[12, 24])
    recipe = dataclasses.replace(PRESETS["cpu"], backbone_layers=RELU_LAYERS[:5], epochs=3)
    for bits in (12, 24):
        finish(tmp_path, dataclasses.replace(recipe, bits=bits), "torch", 0.4)
    run_of(tmp_path, "torch", 12, 2000).append_log(EPOCH | {"epoch": 1, "loss": 1.9, "lr": 0.001})
    picture = map_by_length(read_suite(tmp_path))
    expected = {
        "paper, other settings": [0.774, 0.795],
        "published PyTorch at epoch 3, other settings": [0.679, 0.699],
        "published Paddle at epoch 3, other settings": [0.633, 0.696],
    }
    for label, values in expected.items():
        (line,) = lines(picture, label)
        assert (line.get_linestyle(), line.get_markerfacecolor()) == ("None", "none")
        assert [*line.get_ydata()] == values
    assert "paper, other settings 12 bits 0.774" in picture.alt
    loss = legend(loss_curves(read_suite(tmp_path), 12))
    assert loss == {"PyTorch Lightning", "published PyTorch, other settings", "published Paddle, other settings"}


def test_nothing_published_is_drawn_beside_digits(small_suite):
    for picture in (loss_curves(read_suite(small_suite), 12), map_by_length(read_suite(small_suite))):
        assert legend(picture) == {"PyTorch Lightning", "PaddlePaddle"}


def test_metrics_of_hand_made_codes():
    """Bit 1 opposes bit 0, bit 2 is constant; at one distance the earlier item comes first."""
    bits = np.array([[0, 1, 1], [1, 0, 1], [0, 1, 1], [1, 0, 1], [0, 1, 1]], bool)
    labels = np.array([0, 1, 0, 1, 1])
    codes = Codes(np.arange(10, 15), labels, pack_codes(bits), np.ones((5, 3), np.float32), labels, 1)
    metrics = code_metrics(codes)
    assert metrics.balance.tolist() == [0.5, 0.5, 1.0]
    np.testing.assert_allclose(metrics.correlation, [[1, -1, 0], [-1, 1, 0], [0, 0, 0]], atol=1e-12)
    (ranking,) = metrics.rankings
    assert (ranking.index, ranking.label) == (10, 0)
    assert [(hit.index, hit.distance, hit.wrong) for hit in ranking.hits] == [
        (12, 0, False),
        (14, 0, True),
        (11, 2, True),
        (13, 2, True),
    ]


def test_figures_are_the_same_bytes(small_suite, tmp_path):
    for name in ("first", "second"):
        save_figure(map_by_length(read_suite(small_suite)).figure, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_figure_in_a_page_keeps_texts_and_places(tmp_path):
    figure = Figure(figsize=(3, 2))
    values = np.random.RandomState(0).rand(500)
    figure.add_subplot(title='0.123456 of <all> id="a" style="color: red"').plot(values, "o-")
    save_figure(figure, tmp_path / "drawn")
    drawn, shown = (tmp_path / "drawn.svg").read_text(), inline_svg(tmp_path / "drawn")
    assert len(shown) < 0.75 * len(drawn)
    assert re.findall(r"<text[^>]*>(.*?)</text>", shown) == re.findall(r"<text[^>]*>(.*?)</text>", drawn)
    assert "color: red }" not in shown
    places = [np.array(re.findall(r"-?\d+(?:\.\d+)?", " ".join(paths_of(text))), float) for text in (drawn, shown)]
    assert len(places[0]) > 2 * len(values)
    np.testing.assert_allclose(places[1], places[0], atol=0.005001, rtol=0)


def paths_of(svg):
    return re.findall(r'<path [^>]*?\bd="([^"]*)"', svg)


def test_figure_of_a_study_of_rounding(tmp_path):
    finish_study(tmp_path)
    (study,) = make_table(tmp_path).content["rounding"]
    picture = rounding_picture(study)
    growth, scatter = picture.figure.axes
    by_label = {line.get_label(): line for line in growth.lines}
    assert list(by_label["all native"].get_xdata()) == [1, 50, 480]
    assert list(by_label["all native"].get_ydata()) == pytest.approx([6e-9, 6e-4, 6e-2])
    assert list(by_label["floor: one weight changed"].get_ydata()) == pytest.approx([3.5e-9, 3.5e-4, 3.5e-2])
    assert len(growth.lines) == 3  # families that never part have no line
    titles = [text.get_text() for text in scatter.get_yticklabels()]
    points = {titles[len(titles) - 1 - int(line.get_ydata()[0])]: line for line in scatter.lines[:-1:2]}
    assert sorted(points) == sorted(titles)
    assert points["all native"].get_xdata() == pytest.approx(STEPS["native"])
    floor = [step for case in FLOOR for step in STEPS[case]]
    assert sorted(points["floor: one weight changed"].get_xdata()) == pytest.approx(sorted(floor))
    (band,) = scatter.patches
    rms = study["points"][1]["rms"]
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((-rms, rms))
    assert f"floor: one weight changed {rms:.4f}" in picture.alt
