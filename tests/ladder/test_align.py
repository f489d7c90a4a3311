"""The ladder passes, and stops at the expected rung for every injected fault; each rung runs alone and anywhere."""

import re
from pathlib import Path

import numpy as np
import pytest

from compare.ladder.faults import FAULTS
from compare.ladder.limits import LIMITS
from compare.ladder.requests import REQUESTS, with_needs
from compare.ladder.run import run_rungs
from compare.ladder.rungs import RUNGS, rungs_called
from compare.ladder.session import LadderSession
from compare.ladder.setup import make_setup
from compare.ladder.smallest import smallest_faults, smallest_size
from compare.page.more_figures import growth_points
from tests.ladder.tiny import BITS, TINY, RecordedWorker

SIZED = [name for name, fault in FAULTS.items() if fault.size]
# the answers are corrupted, and no framework is asked again
REUSING = [name for name in SIZED if not FAULTS[name].touches_requests]


@pytest.fixture(scope="module")
def baseline(workers, tmp_path_factory):
    """A ladder without a fault, whose answers the others may reuse: session, rows, and verbs each worker ran."""
    session = LadderSession(make_setup(TINY, BITS), workers, "cpu", tmp_path_factory.mktemp("baseline"))
    rows = run_rungs(session)
    return session, rows, {name: list(worker.verbs) for name, worker in workers.items()}


def session_beside(first, folder, kind=LadderSession, **options):
    """A session with the setup, and where nothing else is said the answers, of the baseline."""
    session, _, _ = first
    return kind(session.setup, session.workers, "cpu", folder, **{"baseline": session.answers} | options)


def test_every_rung_passes(baseline):
    _, rungs, _ = baseline
    assert [rung["rung"] for rung in rungs] == [rung.name for rung in RUNGS]
    assert all(rung["passed"] and rung["comparisons"] for rung in rungs)


def test_a_whole_ladder_asks_in_three_batches(baseline):
    for verbs in baseline[2].values():
        assert verbs == ["info", "probe", "probe", "probe"]


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_rung_reads_what_it_says_it_needs(rung, baseline, tmp_path):
    class Recording(LadderSession):
        def require(self, names, later=()):
            required.append(set(names))
            super().require(names, later)

    required = []
    session = session_beside(baseline, tmp_path, Recording)
    (row,) = run_rungs(session, [rung])
    first, *others = required
    assert first == set(rung.needs) == set().union(*others)
    assert row["records"] == next(whole["records"] for whole in baseline[1] if whole["rung"] == rung.name)


def test_rungs_may_stand_in_another_order(baseline, tmp_path, capsys):
    rows = run_rungs(session_beside(baseline, tmp_path), RUNGS[::-1])
    assert [row["records"] for row in rows] == [row["records"] for row in baseline[1][::-1]]


def test_rung_run_alone_asks_for_what_it_needs_and_no_more(baseline, workers, tmp_path):
    """Cross-resume builds on the answers to another request."""
    before = {name: len(worker.verbs) for name, worker in workers.items()}
    session = session_beside(baseline, tmp_path, baseline={})
    (row,) = run_rungs(session, rungs_called(["cross-resume"]))
    assert row["passed"]
    assert {request for _, request in session.answers} == {"float64", "resumed"}
    assert all(worker.verbs[before[name] :] == ["probe", "probe"] for name, worker in workers.items())


def test_every_request_is_needed_and_comes_after_those_it_builds_on():
    assert {need for rung in RUNGS for need in rung.needs} == set(REQUESTS)
    assert with_needs(REQUESTS) == list(REQUESTS)
    order = list(REQUESTS)
    assert all(order.index(need) < order.index(name) for name in order for need in REQUESTS[name].needs)


def test_requests_have_the_code_length_of_the_ladder():
    setup = make_setup(TINY, 24)
    first = [planned for planned in REQUESTS.values() if not planned.needs]
    assert [planned.make(setup, {}, "torch")[0].recipe.bits for planned in first] == [24] * len(first)


# a framework is asked anew for these, and an earlier one shows already that their rung catches its faults
COSTLY = [
    name
    for name, fault in FAULTS.items()
    if fault.touches_requests and name != next(first for first in FAULTS if FAULTS[first].rung == fault.rung)
]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in COSTLY else n for n in FAULTS])
def test_injected_fault_is_caught_at_its_rung(name, baseline, tmp_path):
    rungs = run_rungs(session_beside(baseline, tmp_path, fault=FAULTS[name]))
    assert [rung["rung"] for rung in rungs if not rung["passed"]] == [FAULTS[name].rung]
    assert rungs[-1]["rung"] == FAULTS[name].rung


def test_the_rates_reach_beyond_the_second_drop(baseline):
    for side in ("paddle", "torch"):
        rates = baseline[0].of(side, "float32")["learning_rates"]
        assert rates[[0, 29, 30, 59, 60, 89, 90]] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5, 1e-6])


def test_missing_package_leaves_a_format_out_and_says_so(baseline, tmp_path, capsys):
    answers = baseline[0].answers
    exported = {name: a for name, a in answers["torch", "exported"].items() if not name.startswith("onnx.")}
    exported["left out.onnx"] = np.array("expected onnxscript")
    answers = answers | {("torch", "exported"): exported}
    rungs = run_rungs(session_beside(baseline, tmp_path, baseline=answers))
    assert rungs[-1]["passed"]
    assert rungs[-1]["left_out"] == ["onnx"]
    assert rungs[-1]["comparisons"] == baseline[1][-1]["comparisons"] * 2 / 3
    assert capsys.readouterr().out.splitlines()[-1].endswith("onnx left out, for the reason in align.json")


def test_first_layer_to_diverge_is_named(baseline, tmp_path):
    """The transposed square weight corrupts every layer behind it; the record that fails first is its own."""
    rungs = run_rungs(session_beside(baseline, tmp_path, fault=FAULTS["transposed-fc7"]))
    failed = [record["name"] for record in rungs[-1]["records"] if not record["passed"]]
    assert failed[:2] == ["float32 fc7", "float32 relu7"]


def test_every_rung_has_a_fault_that_it_catches():
    assert {fault.rung for fault in FAULTS.values()} == {rung.name for rung in RUNGS}


def test_limits_of_float32_are_derived_from_both_errors(baseline):
    """Each is in the records: both errors, of which neither is more than twice the other plus one rounding."""
    records = [record for row in baseline[1] for record in row["records"] if "errors" in record]
    assert {record["rung"] for record in records} == {
        *("forward", "single step", "losses", "gradients", "optimiser step", "optimiser steps", "codes", "exported")
    }
    for record in records:
        small, large = sorted(record["errors"].values())
        # judged by the least accurate tensor of the whole pass, or of all that AdamW keeps
        if record["rung"] == "gradients" or record["name"].startswith("adamw"):
            assert record["limit"] >= 2 * small + 2**-23
            assert record["max_relative"] in (small, large)
        else:
            assert (record["max_relative"], record["limit"]) == (large, pytest.approx(2 * small + 2**-23))
    assert not any("float32" in name for name in LIMITS)


def test_float64_by_which_others_are_judged_is_computed_on_the_cpu(baseline, tmp_path):
    """Whatever the device of the ladder: only these are asked for on the CPU, and the files of a device go together."""

    class OnOneDevice(RecordedWorker):
        def output_of_verb(self, *arguments):
            *rest, device = arguments
            asked.append((device, {Path(name).stem for name in rest if name.endswith(".npz")}))
            return super().output_of_verb(*rest, "cpu")

    asked = []
    workers = {name: OnOneDevice(name, threads=1) for name in ("paddle", "torch")}
    session = LadderSession(baseline[0].setup, workers, "cuda", tmp_path)
    (row,) = run_rungs(session, rungs_called(["codes"]))
    assert row["passed"]
    trained = [("cuda", {"trained"}), ("cpu", {"float64-trained"})]
    assert sorted(asked, key=str) == sorted([("cuda", {"float32"}), *trained] * 2, key=str)


def test_the_report_finds_the_growth_of_the_difference(baseline):
    session, rungs, _ = baseline
    steps = [step for step, _, _ in growth_points({"rungs": rungs})]
    assert steps == [step for step in session.setup.saved_steps if step <= TINY.steps]
    assert steps[-1] == TINY.steps


def is_caught(first, fault, folder):
    (row,) = run_rungs(session_beside(first, folder, fault=fault), rungs_called([fault.rung]))
    return not row["passed"]


@pytest.mark.parametrize("name", REUSING)
def test_half_the_smallest_size_is_overlooked(name, baseline, tmp_path):
    fault = FAULTS[name]
    smallest = smallest_size(fault, lambda fault: is_caught(baseline, fault, tmp_path))
    assert is_caught(baseline, fault.of_size(smallest), tmp_path)
    assert not is_caught(baseline, fault.of_size(smallest / 2), tmp_path)


@pytest.mark.slow
def test_every_fault_is_listed_with_its_smallest_size(baseline):
    session, rows, _ = baseline
    found = list(smallest_faults(session, {row["rung"] for row in rows if not row["limit"]}))
    assert [smallest.fault for smallest in found] == list(FAULTS)
    assert [smallest.fault for smallest in found if smallest.smallest] == SIZED
    assert not any(smallest.missed for smallest in found)
    exact = {smallest.rung for smallest in found if str(smallest).endswith("exact: any")}
    assert exact == {"environment", "split and order", "pixels", "weights", "same bits", "rates", "score"}


@pytest.mark.parametrize(
    ("name", "tensor"), [("last-place", "weight.fc6.weight[0, 0]"), ("summation-order", "weight.conv1.weight[")]
)
def test_the_first_bits_to_differ_are_named_with_both_values(name, tensor, baseline, tmp_path):
    rungs = run_rungs(session_beside(baseline, tmp_path, fault=FAULTS[name]), rungs_called(["same bits"]))
    (failed,) = [record for record in rungs[-1]["records"] if not record["passed"]]
    assert failed["name"].startswith(f"step 1: {tensor}")
    values = [float(value) for value in re.fullmatch("paddle (.*), torch (.*)", failed["note"]).groups()]
    assert 0 < abs(values[0] - values[1]) == pytest.approx(failed["max_abs"], rel=0.5)
    assert abs(values[0] - values[1]) < 1e-6 * max(map(abs, values)) + 1e-9


def test_products_of_another_numpy_are_not_judged(baseline, tmp_path, capsys):
    answers = dict(baseline[0].answers)
    answers["paddle", "same bits"] = dict(answers["paddle", "same bits"]) | {"numpy": np.array("1.26.4")}
    (row,) = run_rungs(session_beside(baseline, tmp_path, baseline=answers), rungs_called(["same bits"]))
    assert row["passed"]
    assert row["left_out"] == ["bits"]
    assert "1.26.4 in paddle" in row["records"][0]["note"]
    assert "bits left out, for the reason in align.json" in capsys.readouterr().out
