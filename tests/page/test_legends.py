"""The names of a figure's lines hide none of them and stand within the figure."""

import dataclasses
from io import BytesIO

import numpy as np
import pytest

from compare.page.codes import LengthMetrics
from compare.page.curves import map_by_length, precision_at, precision_recall, training
from compare.page.data import read_suite
from compare.page.figures import house_style, precision_recall_figure
from shared.config.recipe import PRESETS
from shared.network.alexnet import RELU_LAYERS
from shared.scoring.curves import PrecisionRecall
from shared.training.runs import run_of
from tests.rows import EPOCH, finish, plan


def trained(out, **settings):
    """A suite of two epochs in both frameworks, scored after each."""
    plan(out)
    recipe = dataclasses.replace(PRESETS["paper"], bits=12, **settings)
    for framework in ("torch", "paddle"):
        finish(out, recipe, framework, 0.6)
        for epoch in (1, 2):
            score = dict.fromkeys(("expected", "best", "worst", "stable"), 0.3 * epoch) | {"argsort": None}
            scored = {"epoch": epoch, "map": score, "accuracy": 0.5, "encode_seconds": 1.0}
            run_of(out, framework, 12, 2000).append_log(EPOCH | scored)
    return read_suite(out)


@pytest.mark.parametrize(
    "settings",
    [{"dataset": "digits"}, {"backbone_layers": RELU_LAYERS}, {"backbone_layers": RELU_LAYERS[:5]}],
    ids=["nothing-published", "published", "other-settings"],
)
def test_names_stand_above_the_axes(tmp_path, settings):
    suite_data = trained(tmp_path, **settings)
    pictures = [map_by_length(suite_data), *training(suite_data)]
    assert [picture.name for picture in pictures] == ["map_by_length", "loss-12", "map-12", "learning_rate"]
    metrics = LengthMetrics(2000, {}, None, {})
    for picture in (*pictures, precision_recall(suite_data, 12, metrics), precision_at(suite_data, 12, metrics)):
        _check(picture.figure)


def test_names_stand_above_the_figure_of_a_score():
    curve = PrecisionRecall(precision=np.array([1.0, 0.75]), recall=np.array([0.05, 0.45]))
    _check(precision_recall_figure(curve, curve, "a title"))


def _check(figure):
    with house_style():
        figure.savefig(BytesIO())
    (axes,), (legend,) = figure.axes, figure.legends
    names, drawn = legend.get_window_extent(), axes.get_window_extent()
    assert axes.get_legend() is None
    assert names.y0 > drawn.y1
    assert figure.bbox.x0 < names.x0 < names.x1 < figure.bbox.x1
    assert drawn.height > 0.4 * figure.bbox.height
