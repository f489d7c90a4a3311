"""Two runs of one length and seed that may be compared: of two frameworks, or of one framework and its A/A control."""

from collections.abc import Iterable
from dataclasses import dataclass

from compare.frameworks.records import pairs
from compare.stats.gather import Gathered
from compare.suite.cells import Cell
from shared.training.runs import Run


@dataclass(frozen=True)
class Twins:
    """``control``: the kind of A/A control that ``first`` is of, whose framework both have; "" for two frameworks.

    ``frameworks`` are the keys of ``first`` and ``second``.
    """

    control: str
    frameworks: tuple[str, str]
    bits: int
    seed: int
    first: Run
    second: Run

    @property
    def runs(self) -> tuple[Run, Run]:
        return self.first, self.second

    @property
    def devices(self) -> tuple[str, ...]:
        """What the two ran on: one name, or two."""
        return tuple(sorted({run.result()["device"] for run in self.runs}))

    def describe(self) -> str:
        """The two folders."""
        return f"{self.first.folder} and {self.second.folder}"


def twins_of(gathered: Gathered) -> list[Twins]:
    """All of them: pairs of frameworks, then control by control, each by length and seed."""
    own = _by_cell(gathered.runs)
    of_frameworks = [
        Twins("", pair.keys, cell.bits, cell.seed, run, own[reference])
        for pair in pairs()
        for cell, run in own.items()
        if cell.framework == pair.other.key and (reference := cell._replace(framework=pair.reference.key)) in own
    ]
    return of_frameworks + [
        Twins(kind, (cell.framework, cell.framework), cell.bits, cell.seed, run, own[cell])
        for kind, runs in gathered.controls.items()
        for cell, run in _by_cell(runs).items()
        if cell in own
    ]


def _by_cell(runs: Iterable[Run]) -> dict[Cell, Run]:
    results = ((run.result(), run) for run in runs)
    return {Cell(result["framework"], result["bits"], result["seed"]): run for result, run in results}
