"""The ladder passes, and stops at the expected rung for every planted fault."""

import json
import re
from functools import cached_property

import numpy as np
import pytest

from compare.frameworks.worker import Dialogue, Worker, default_python
from compare.ladder.faults import FAULTS
from compare.ladder.limits import LIMITS
from compare.ladder.records import compare, compare_sets
from compare.ladder.run import climb
from compare.ladder.rungs import RUNGS
from compare.ladder.session import Rig, Scale, ladder_recipe, make_inputs
from compare.page.more_figures import growth_points
from tests import helpers

TINY = Scale("tiny", 1 / 16, 64, 8, strict_steps=16, steps=6)
BITS = 12


class ForkedWorker(Worker):
    """A worker whose commands are run by forks of one process: 27 ladders start some eighty."""

    @cached_property
    def _server(self):
        return Dialogue(self._start("tests.children.forked", [self.framework]), self._judge)

    def output_of_verb(self, *arguments):
        done = self._server.ask(json.dumps(arguments))
        self._judge(done["status"], done["errors"].splitlines(), None)
        return done["output"]

    def close(self):
        self._server.close()


@pytest.fixture(scope="module")
def workers():
    for name in ("torch", "paddle"):
        if not helpers.is_installed(name):
            pytest.skip(f"{name} is not installed, and the ladder compares two frameworks")
    forked = {name: ForkedWorker(name, default_python(name), threads=1) for name in ("paddle", "torch")}
    yield forked
    for worker in forked.values():
        worker.close()


@pytest.fixture(scope="module")
def sound(workers, tmp_path_factory):
    """A ladder without a fault, whose answers the others may reuse."""
    recipe = ladder_recipe(TINY, BITS)
    rig = Rig(TINY, recipe, workers, "cpu", tmp_path_factory.mktemp("sound"), make_inputs(TINY, recipe))
    return rig, climb(rig)


def test_every_rung_passes(sound):
    _, rungs = sound
    assert [rung["rung"] for rung in rungs] == [rung.name for rung in RUNGS]
    assert all(rung["passed"] and rung["comparisons"] for rung in rungs)


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_caught_at_its_rung(name, sound, workers, tmp_path):
    rig = Rig(TINY, sound[0].recipe, workers, "cpu", tmp_path, sound[0].inputs, FAULTS[name], sound=sound[0].answers)
    rungs = climb(rig)
    assert [rung["rung"] for rung in rungs if not rung["passed"]] == [FAULTS[name].rung]
    assert rungs[-1]["rung"] == FAULTS[name].rung


def test_the_rates_reach_beyond_the_second_drop(sound):
    for side in ("paddle", "torch"):
        rates = sound[0].of(side, "float32")["rates"]
        assert rates[[0, 29, 30, 59, 60, 89, 90]] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5, 1e-6])


def test_missing_package_leaves_a_format_out_and_says_so(sound, workers, tmp_path, capsys):
    exported = {name: a for name, a in sound[0].answers["torch", "exported"].items() if not name.startswith("onnx.")}
    exported["left out.onnx"] = np.array("expected onnxscript")
    answers = sound[0].answers | {("torch", "exported"): exported}
    rungs = climb(Rig(TINY, sound[0].recipe, workers, "cpu", tmp_path, sound[0].inputs, sound=answers))
    assert rungs[-1]["passed"]
    assert rungs[-1]["left_out"] == ["onnx"]
    assert rungs[-1]["comparisons"] == sound[1][-1]["comparisons"] * 2 / 3
    assert capsys.readouterr().out.splitlines()[-1].endswith("onnx left out for want of a package")


def test_first_layer_to_diverge_is_named(sound, workers, tmp_path):
    """The transposed square weight spoils every layer behind it; the record that fails first is its own."""
    fault = FAULTS["transposed-fc7"]
    rig = Rig(TINY, sound[0].recipe, workers, "cpu", tmp_path, sound[0].inputs, fault, sound=sound[0].answers)
    failed = [record["name"] for record in climb(rig)[-1]["records"] if not record["passed"]]
    assert failed[:2] == ["float32 fc7", "float32 relu7"]


def test_every_rung_has_a_fault_that_it_catches():
    assert {fault.rung for fault in FAULTS.values()} == {rung.name for rung in RUNGS}


def test_command_reports_a_planted_fault(tmp_path):
    done = helpers.run("compare/align.py", "--bits", BITS, "--plant", "swapped-biases", "--out", tmp_path, status=1)
    assert "FAIL  weights" in done.stdout
    assert "first to diverge: torch: weight.conv4.bias" in done.stdout
    report = json.loads((tmp_path / "align.json").read_text())
    assert report["passed"] is False
    assert report["rungs"][-1]["rung"] == "weights"


@pytest.mark.parametrize(
    ("options", "message"), [(["--plant", "x"], "--plant: expected list, tf32,"), (["--steps", "0"], "--steps")]
)
def test_bad_options(options, message):
    assert message in helpers.run("compare/align.py", *options, status=2).stderr


def test_faults_can_be_listed():
    listed = helpers.run("compare/align.py", "--plant", "list").stdout
    assert all(name in listed for name in FAULTS)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: a.T,
        lambda a: a[:1],
        lambda a: a.astype(np.float64),
        lambda a: np.where(a == a.max(), np.nan, a),
        lambda a: a + np.float32(1e-3),
        lambda a: a[None],
    ],
)
def test_comparison_is_strict(spoil):
    good = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert compare("r", "x", good, good.copy(), "forward float32").passed
    assert not compare("r", "x", spoil(good), good, "forward float32").passed
    assert not compare("r", "x", good, spoil(good), "forward float32").passed


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
    assert {name for name, found in measured.items() if not found} == {"exact", "code margin"}
    for name, found in measured.items():
        assert found is None or 0 < float(found[1]) < LIMITS[name].value / 2


def test_the_report_finds_the_growth_of_the_difference(sound):
    steps = [step for step, _, _ in growth_points({"rungs": sound[1]})]
    assert steps == [step for step in sound[0].kept_steps if step <= TINY.steps]
    assert steps[-1] == TINY.steps


@pytest.mark.slow
def test_full_width_passes(tmp_path):
    done = helpers.run("compare/align.py", "--full", "--out", tmp_path, timeout=1200)
    assert done.stdout.count("aligned: every rung passed") == 2
