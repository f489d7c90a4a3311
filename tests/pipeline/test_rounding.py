"""A study of rounding by the command, at the smallest scale: what is trained, measured, kept and shown."""

import itertools

import numpy as np
import pytest

from compare import benchmark
from compare.frameworks.worker import Worker
from compare.ladder.same_bits_inputs import training_request
from compare.pipeline import run as pipeline
from compare.suite import rounding
from compare.suite.rounding import difference_file, read_difference
from shared.data import cifar
from shared.network.initial import initial_weights
from shared.training.runs import run_of
from tests.rows import cells

# of the families one alone
CASES = (*rounding.CASES[:6], "shared-linear.fwd")
COMMAND = ("--preset", "demo", "--bits", "12", "--epochs", "1", "--seeds", "2000", "2001", "--set", "width=0.03125")


@pytest.mark.slow
def test_a_study_by_the_command(tmp_path, monkeypatch, capsys):
    for module in (rounding, pipeline):
        monkeypatch.setattr(module, "CASES", CASES)
    words = [*COMMAND, "--rounding", "--skip-align", "--device", "cpu", "--cell-cpus", "1", "--out", str(tmp_path)]
    benchmark.main(words)
    finished = sorted(str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("result.json"))
    runs = [f"bits12-seed{seed}" for seed in (2000, 2001)]
    both = ("paddle", "torch")
    folders = {"shared": both, "shared-linear.fwd": both} | dict.fromkeys(rounding.FLOOR, ("torch",))
    expected = [f"rounding/{case}/{name}/{run}" for case, names in folders.items() for name in names for run in runs]
    assert finished == sorted([*expected, *(f"{name}/{run}" for name in both for run in runs)])
    found = {
        (case, seed): read_difference(difference_file(tmp_path, case, 12, seed))
        for case, seed in itertools.product(CASES, (2000, 2001))
    }
    for seed in (2000, 2001):
        same, *others = (found[case, seed] for case in CASES)
        assert (same.first_step, same.steps, same.code_bits) == (None, 32, 0.0)
        assert set(same.distances.values()) == {0.0}
        assert list(same.distances) == [1, 2, 5, 10, 20, 32]
        assert all(1 <= parting.first_step <= 32 for parting in others)
        assert all(0 < parting.distances[1] < 1e-6 for parting in others[:4])
        assert all(parting.distances[32] > 0 for parting in others)
        ours, theirs = (run_of(tmp_path / "rounding/shared", name, 12, seed).log() for name in both)
        assert ours[-1]["parameters_sha256"] == theirs[-1]["parameters_sha256"]
    rows = {row["kernels"]: row for row in cells((tmp_path / "table.md").read_text().split("Rounding at 12 bits")[1])}
    assert rows["all shared"]["reading"] == "the same bits"
    assert rows["floor: one weight changed"]["n"] == "8"
    assert rows["all native"]["reading"] != "waits for all seeds"
    assert rows["linear.fwd alone native"]["reading"] == "waits for all seeds"  # for the other families
    assert "Rounding, 12 bits" in (tmp_path / "report.html").read_text(encoding="utf-8")
    capsys.readouterr()
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.json") if file.parent != tmp_path}
    benchmark.main(words)
    assert {file: file.stat().st_mtime_ns for file in times} == times  # nothing is trained or measured again
    assert "kept, mAP" in capsys.readouterr().err


@pytest.mark.slow
def test_the_first_steps_again_come_to_what_the_run_came_to(tmp_path, framework):
    """An epoch of a run by shared kernels, with its smaller last batch, and the same steps by the ladder's request."""
    words = ["--preset", "demo", "--bits", "12", "--epochs", "1", "--kernels", "shared", "--set", "width=0.03125"]
    more = ["--frameworks", framework, "--skip-align", "--device", "cpu", "--out", str(tmp_path)]
    benchmark.main([*words, *more])
    run, digits = run_of(tmp_path, framework, 12, 2000), cifar.load(cifar.DIGITS)
    recipe = run.recipe()
    train = cifar.split_for(digits, recipe).train
    request, arrays = training_request(recipe, digits, train, initial_weights(recipe, {}), 32)
    request.save(tmp_path / "requests" / "steps.npz", arrays)
    answers = tmp_path / "answers"
    file = str(tmp_path / "requests" / "steps.npz")
    Worker(framework).output_of_verb("probe", file, "--out", str(answers), "--device", "cpu")
    with np.load(answers / "steps.npz") as answer:
        assert answer["digests"][-1].tobytes().hex() == run.log()[-1]["parameters_sha256"]
