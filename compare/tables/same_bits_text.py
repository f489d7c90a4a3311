"""The note on runs by shared kernels: whether both frameworks' are the same to the last bit, else since when not."""

from collections.abc import Sequence
from typing import NamedTuple

from compare.frameworks.records import Pair, named, pairs
from shared.config.kernels import NATIVE, SHARED
from shared.config.recipe import Recipe
from shared.system.schema import checked
from shared.system.words import listed
from shared.training.run_schema import DIGESTS
from shared.training.runs import Run

IDENTICAL = "identical: same parameters after every epoch, same codes, same mAP"


class Cell(NamedTuple):
    """A code length and a seed, of which each framework has a run."""

    bits: int
    seed: int

    def __str__(self) -> str:
        return f"{self.bits} bits, seed {self.seed}"


def same_bits_notes(runs: Sequence[Run]) -> list[str]:
    """A line for the cells of a pair that are identical, and one for each other; none for native kernels.

    It is read off the runs' logs and results: SHA-256 of weights and momenta, and of codes, after every epoch. A line
    of what is not identical says what the runs have native.
    """
    if not runs or runs[0].recipe().kernels == NATIVE:
        return []
    return [named(pair, note, mark=": ") for pair in pairs() for note in _notes(runs, pair)]


def _notes(runs: Sequence[Run], pair: Pair) -> list[str]:
    sides: dict[Cell, dict[str, Run]] = {}
    for run in runs:
        result = run.result()
        sides.setdefault(Cell(result["bits"], result["seed"]), {})[result["framework"]] = run
    found = {cell: _difference(*map(of.get, pair.keys)) for cell, of in sides.items() if set(pair.keys) <= of.keys()}
    same = [cell for cell, difference in found.items() if not difference]
    notes = [f"{_listed(same)}: {IDENTICAL}."] if same else []
    native = "".join(f"; {reason}" for reason in _native_parts(runs[0].recipe()))
    return notes + [f"{cell}: not identical: {difference}{native}." for cell, difference in found.items() if difference]


def _native_parts(recipe: Recipe) -> list[str]:
    """Why a difference need not be a fault."""
    parts = ["native dropout draws other masks in each framework"] if recipe.dropout == NATIVE else []
    if recipe.kernels != SHARED:
        parts.append(f"what kernels {recipe.kernels} leave native may round otherwise in each framework")
    return parts


def _difference(ours: Run, reference: Run) -> str:
    """The first epoch that differs, and in what; "" where none does."""
    logs = [_digests(run) for run in (ours, reference)]
    if len(logs[0]) != len(logs[1]):
        return f"{len(logs[0])} and {len(logs[1])} epochs in log.jsonl"
    for number, epoch in enumerate(zip(*logs, strict=True), 1):
        if not all(record["parameters_sha256"] for record in epoch):
            return f"epoch {number} has no parameters_sha256 in log.jsonl"
        for name, what in (
            ("parameters_sha256", "other parameters"),
            ("codes_sha256", "the same parameters, other codes"),
        ):
            if epoch[0][name] != epoch[1][name]:
                return f"{what} after epoch {number}, the first that differs"
    if logs[0] and not logs[0][-1]["codes_sha256"]:
        return f"epoch {len(logs[0])} has no codes_sha256 in log.jsonl"
    results = [run.result() for run in (ours, reference)]
    return "" if results[0]["map_last"] == results[1]["map_last"] else "the same codes, another mAP"


def _digests(run: Run) -> list[dict]:
    return [checked(dict(record), DIGESTS, str(run.log_file)) for record in run.log()]


def _listed(cells: Sequence[Cell]) -> str:
    """ "12 and 24 bits, seed 2000; 32 bits, seeds 1 and 2": lengths with the same seeds together."""
    by_bits: dict[int, list[int]] = {}
    for cell in sorted(cells):
        by_bits.setdefault(cell.bits, []).append(cell.seed)
    by_seeds: dict[tuple[int, ...], list[int]] = {}
    for bits, seeds in by_bits.items():
        by_seeds.setdefault(tuple(seeds), []).append(bits)
    return "; ".join(
        f"{listed(bits)} bits, seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}" for seeds, bits in by_seeds.items()
    )
