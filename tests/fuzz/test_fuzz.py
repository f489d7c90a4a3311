"""Hostile files of every kind: each is read or is one UserError, runs nothing, and takes bounded time and memory."""

import ast
import subprocess
import sys

import pytest

from tests import helpers
from tests.fuzz.driver import make_seeds, run_case
from tests.fuzz.kinds import KINDS, NEEDS_TORCH

SAMPLE, WHOLE_RUN = 25, 10_000
COSTLY = ("suite",)  # of these fewer
# 180 MB of pixels each
LARGE = [pytest.param(kind, marks=[pytest.mark.slow] if kind == "batches" else []) for kind in KINDS]


@pytest.fixture(scope="session")
def seeds_of(request, tmp_path_factory):
    """kind -> folder of valid files."""
    made = {}

    def of(kind):
        if kind not in made:
            writer = request.getfixturevalue("torch_writer") if kind in NEEDS_TORCH else None
            made[kind] = make_seeds(tmp_path_factory.mktemp("fuzz") / kind, kind, writer)
        return made[kind]

    return of


@pytest.mark.parametrize("kind", LARGE)
def test_valid_files_are_read(kind, seeds_of):
    for folder in seeds_of(kind).iterdir():
        assert KINDS[kind].read(folder), folder


@pytest.mark.parametrize("kind", LARGE)
def test_sample(kind, seeds_of, tmp_path):
    count = 3 if kind in COSTLY else SAMPLE
    was_read = [run_case(seeds_of(kind), kind, number, tmp_path) for number in range(count)]
    assert kind in COSTLY or not all(was_read)


def test_whole_run_is_large_enough():
    assert sum(kind.cases for kind in KINDS.values()) >= WHOLE_RUN


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_within_limits(kind, seeds_of):
    """In a process of its own, which no case can take with it unnoticed."""
    cases = KINDS[kind].cases
    arguments = ["-m", "tests.fuzz", kind, "0", "--count", str(cases), "--seeds", str(seeds_of(kind))]
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=helpers.ENVIRONMENT,
        cwd=helpers.PROJECT_ROOT,
        check=False,
    )
    *begun, last = done.stdout.splitlines()
    assert done.returncode == 0, f"{last}\n{done.stderr[-5000:]}"
    assert all(line.startswith("note: ") for line in done.stderr.splitlines() if line)
    counts = ast.literal_eval(last)
    assert len(begun) == sum(counts.values()) == cases
    assert counts["refused"] > cases / 4
