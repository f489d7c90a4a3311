"""The study of rounding: which further runs show how far rounding alone carries a training.

A suite's own runs have native kernels. Beside them stand: the same with shared kernels, which both frameworks repeat
bit by bit; the floor, one framework's runs with shared kernels and one initial weight one unit in the last place away;
and for each family of kernels runs in which that family alone is native.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compare.frameworks.records import SIDES, reference, titles
from compare.suite.suite import Suite
from shared.config.kernels import FAMILIES, NATIVE, SHARED, check_kernels
from shared.config.optimizers import SGD
from shared.config.recipe import Recipe
from shared.system.errors import UserError
from shared.system.files import read_json, write_json
from shared.system.schema import DECIMAL, LINE, SHARE, Each, Record, number, whole
from shared.training.runs import Run, run_of

# the runs of one length and seed that have one weight changed, each another one
FLIPS = 4
FLOOR = tuple(f"last-place-{number}" for number in range(1, FLIPS + 1))
OF_FAMILIES = tuple(f"{SHARED}-{family}" for family in FAMILIES)
# all cases in which two runs of a length and a seed are compared
CASES = (SHARED, *FLOOR, NATIVE, *OF_FAMILIES)
_DIFFERENCE = Record(
    {
        "checkpoints": [LINE],
        "first_step": whole(1).or_none(),
        "steps": whole(1),
        "distances": Each(number(0), key=DECIMAL),
        "code_bits": SHARE,
    }
)


def rounding_folder(out: Path, case: str) -> Path:
    """Where the runs of a case in ``CASES`` are: those of ``native`` are the suite's own, in ``out``."""
    return out if case == NATIVE else out / "rounding" / case


def rounding_recipe(recipe: Recipe, case: str) -> Recipe:
    """The recipe of the runs of a case in ``CASES``, given that of the suite."""
    if case in FLOOR:
        return dataclasses.replace(recipe, kernels=SHARED, last_place=FLOOR.index(case) + 1)
    return dataclasses.replace(recipe, kernels=case)


def rounding(suite: Suite, frameworks: Sequence[str], processes: int = 1) -> list[Suite]:
    """The suites of the study, one for each case in ``CASES`` but the suite's own.

    ``frameworks`` are those of the whole suite; the study takes both that the alignment ladder compares, and the
    reference alone for the floor. Raises UserError where no two seeds or not both frameworks are there, where the
    suite's kernels, optimiser, dropout or weights are not those that the study begins with, and where there are no
    shared kernels: on a GPU and for several ``processes`` of a run.
    """
    if missing := sorted(set(SIDES) - set(frameworks)):
        raise UserError(f"--rounding: expected {titles(SIDES)}, which it compares, received no {titles(missing)}")
    if len(suite.seeds) < 2:
        raise UserError(f"--rounding: expected two or more --seeds, as it is about spread, received {suite.seeds}")
    for name, expected in (("kernels", NATIVE), ("optimizer", SGD), ("dropout", "shared"), ("last_place", 0)):
        if (received := getattr(suite.recipe, name)) != expected:
            raise UserError(
                f"--rounding: expected a suite with {name} {expected}, where the study starts, received {received}; "
                "leave that setting out"
            )
    for device in set(suite.devices.values()):
        check_kernels(SHARED, device, processes)
    return [
        dataclasses.replace(
            suite,
            out=rounding_folder(suite.out, case),
            recipe=rounding_recipe(suite.recipe, case),
            workers=[worker for worker in suite.workers if worker.framework in _frameworks(case)],
        )
        for case in CASES
        if case != NATIVE
    ]


def _frameworks(case: str) -> Sequence[str]:
    return (reference().key,) if case in FLOOR else SIDES


def compared_runs(out: Path, case: str, bits: int, seed: int) -> tuple[Run, Run]:
    """The two runs that a case compares, in the suite ``out``: a difference is the first's value minus the second's.

    That is both frameworks' or, for the floor, the reference's with one weight changed and without.
    """
    first = run_of(rounding_folder(out, case), _frameworks(case)[0], bits, seed)
    return first, run_of(rounding_folder(out, SHARED if case in FLOOR else case), reference().key, bits, seed)


@dataclass(frozen=True)
class Difference:
    """How two runs part. ``checkpoints``: SHA-256 of their last weights, by which they are known.

    ``first_step``: the first of the first ``steps`` steps after which a weight or a momentum differs, None where none
    does. ``distances``: step -> the Euclidean distance of all weights after it over the length of the second run's; the
    last is that of the end of training. ``code_bits``: the share of the database's code bits that differ.
    """

    checkpoints: tuple[str, str]
    first_step: int | None
    steps: int
    distances: Mapping[int, float]
    code_bits: float

    def write(self, file: Path) -> None:
        """As JSON."""
        write_json(file, dataclasses.asdict(self))


def difference_file(out: Path, case: str, bits: int, seed: int) -> Path:
    """Where the difference of a case's two runs is kept in the suite ``out``."""
    return out / "rounding" / case / "differences" / f"bits{bits}-seed{seed}.json"


def read_difference(file: Path) -> Difference:
    """What ``Difference.write`` wrote; UserError where it is damaged."""
    values = read_json(file, _DIFFERENCE)
    if len(values["checkpoints"]) != 2 or not values["distances"]:
        raise UserError(f"{file}: expected two checkpoints and distances after some steps; remove the damaged file")
    distances = {int(step): distance for step, distance in values["distances"].items()}
    checkpoints = tuple(values["checkpoints"])
    return Difference(**{**values, "checkpoints": checkpoints, "distances": dict(sorted(distances.items()))})


def known_difference(out: Path, case: str, bits: int, seed: int) -> Difference | None:
    """The kept difference of the finished runs that are there; None where it is not measured, or was of other runs."""
    file, runs = difference_file(out, case, bits, seed), compared_runs(out, case, bits, seed)
    if not (file.exists() and all(run.is_finished() for run in runs)):
        return None
    found = read_difference(file)
    return found if found.checkpoints == checkpoints_of(*runs) else None


def checkpoints_of(first: Run, second: Run) -> tuple[str, str]:
    """What ``Difference.checkpoints`` is of two finished runs."""
    return first.result()["checkpoint_sha256"], second.result()["checkpoint_sha256"]
