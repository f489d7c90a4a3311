"""The metrics of a suite's codes: kept for when the codes are gone, in the form of every version."""

import json

import numpy as np
import pytest

from compare.page.code_metrics import METRICS_FILE, metrics_by_length
from compare.page.code_picture import code_picture
from compare.page.codes import code_metrics, metrics_as_json, metrics_from_json
from compare.page.content import content
from compare.page.data import read_suite
from compare.page.figures import save_figure
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes, unpack_codes
from tests.fuzz.suites import some_codes, write_valid_suite


@pytest.fixture
def suite(tmp_path):
    write_valid_suite(tmp_path)
    return tmp_path


def changed(out, change):
    """The file after ``change`` was made to each framework's metrics."""
    file = out / METRICS_FILE
    saved = json.loads(file.read_text())
    for metrics in saved["12"]["of"].values():
        change(metrics)
    file.write_text(json.dumps(saved))


def test_what_is_saved_is_what_was_measured():
    metrics = code_metrics(some_codes())
    again = metrics_from_json(json.loads(json.dumps(metrics_as_json(metrics))))
    assert metrics_as_json(again) == metrics_as_json(metrics)
    assert again.quality.summary() == metrics.quality.summary()
    np.testing.assert_array_equal(again.quality.projection.points, metrics.quality.projection.points)


def test_what_figures_draw_has_six_digits():
    saved = metrics_as_json(code_metrics(some_codes()))
    drawn = [*saved["by_rank"].values(), saved["balance"], *saved["correlation"]]
    numbers = [number for values in drawn for number in values]
    assert any(len(f"{number:g}") > 7 for number in numbers)
    assert [float(f"{number:.6g}") for number in numbers] == numbers
    items, database = saved["quality"]["items"], some_codes().sides()[2]
    assert saved["balance"] == pytest.approx(unpack_codes(database, 12).sum(axis=0) / items, rel=1e-5)


def test_quality_is_that_of_the_database_alone():
    bits = np.array([[1, 1], [0, 0], [0, 1], [0, 0], [0, 1]], bool)
    labels, margin = np.array([0, 0, 1, 0, 1]), np.full((5, 2), 2, np.float32)
    margin[0] = 9  # of the query
    quality = code_metrics(Codes(np.arange(5), labels, pack_codes(bits), margin, labels, 1)).quality
    assert (quality.items, quality.distinct, quality.quantization_error) == (4, 2, 1.0)
    assert (quality.within, quality.between) == (0.0, 1.0)
    assert quality.warning == "nearly collapsed: 4 images of 2 classes have 2 different codes, fewer than two a class"


def test_metrics_of_older_versions_are_read_and_kept(suite):
    """They have balance and correlation, and nothing of distances and pictures."""
    changed(suite, lambda metrics: metrics.pop("quality"))
    suite_data = read_suite(suite)
    shown = content(suite_data)
    assert not [problem for problem in suite_data.problems if METRICS_FILE in problem]
    (metrics,) = {name: of["torch"] for name, of in ((b, m.of) for b, m in shown["code_metrics"].items())}.values()
    assert metrics.quality is None
    assert (metrics.entropy > 0.9).all()
    assert {picture.name for picture in shown["code_pictures"]} == {"balance-12", "correlation-12"}
    assert "quality" not in json.loads((suite / METRICS_FILE).read_text())["12"]["of"]["torch"]


def test_every_framework_has_a_panel_of_codes_by_class(suite):
    (picture,) = [picture for picture in content(read_suite(suite))["code_pictures"] if "by_class" in picture.name]
    assert [axes.get_title() for axes in picture.figure.axes] == ["PyTorch Lightning", "PaddlePaddle"]
    projection = code_metrics(some_codes()).quality.projection
    for axes in picture.figure.axes:
        (points,) = axes.collections
        np.testing.assert_allclose(points.get_offsets(), projection.points)
        assert len({tuple(colour) for colour in points.get_facecolors()}) == 10
        assert {text.get_text() for text in axes.texts} == {f"digit {label}" for label in range(10)}
    assert "PyTorch Lightning " in picture.alt
    assert "% of the variance" in picture.alt


@pytest.mark.parametrize(
    ("name", "value"), [("labels", [0]), ("points", [[1.0, 2.0, 3.0]]), ("explained", [0.5]), ("items", [])]
)
def test_damaged_pictures_are_problems_of_the_suite(suite, name, value):
    changed(suite, lambda metrics: metrics["quality"]["projection"].update({name: value}))
    suite_data = read_suite(suite)
    metrics_by_length(suite_data)
    assert [problem for problem in suite_data.problems if METRICS_FILE in problem]


def test_a_name_is_drawn_as_it_is_written(tmp_path):
    """Two dollars would be a formula, and half of one none at all."""
    figure = code_picture({"t": code_metrics(some_codes()).quality.projection}, lambda label: f"$\\frac{label}$")
    save_figure(figure, tmp_path / "a")
    assert "$\\frac3$" in (tmp_path / "a.svg").read_text()
