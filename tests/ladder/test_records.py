"""Arrays are compared strictly, and by limits that leave room above what was measured."""

import re

import numpy as np
import pytest

from compare.ladder.limits import LIMITS
from compare.ladder.records import compare, compare_sets


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda a: a.T,
        lambda a: a[:1],
        lambda a: a.astype(np.float64),
        lambda a: np.where(a == a.max(), np.nan, a),
        lambda a: a + np.float32(1e-3),
        lambda a: a[None],
    ],
)
def test_comparison_is_strict(corrupt):
    good = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert compare("r", "x", good, good.copy(), "forward float64").passed
    assert not compare("r", "x", corrupt(good), good, "forward float64").passed
    assert not compare("r", "x", good, corrupt(good), "forward float64").passed


def test_missing_and_extra_names_fail():
    a = {"x": np.zeros(2), "y": np.ones(2)}
    for ours, reference in ((a, {"x": a["x"]}), ({"x": a["x"]}, a)):
        records = compare_sets("r", ours, reference, "exact")
        assert [r.name for r in records if not r.passed] == ["y"]


def test_worst_place_and_scale_are_reported():
    reference = np.full((2, 3), 10.0)
    ours = reference.copy()
    ours[1, 2] += 1e-12
    record = compare("r", "x", ours, reference, "forward float64")
    assert record.worst_index == (1, 2)
    assert record.max_relative == pytest.approx(record.max_abs / 10)
    assert record.passed


def test_every_limit_leaves_room_above_what_was_measured():
    measured = {name: re.search(r"measured up to ([\d.e-]+\d)", limit.reason) for name, limit in LIMITS.items()}
    assert {name for name, measurement in measured.items() if not measurement} == {"exact"}
    for name, measurement in measured.items():
        assert measurement is None or 0 < float(measurement[1]) < LIMITS[name].value / 2
