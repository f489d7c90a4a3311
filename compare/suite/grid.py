"""The planned runs of a suite: the content of ``suite.json``."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from compare.frameworks.records import known_key
from compare.suite.cells import Cell
from shared.system.errors import UserError
from shared.system.files import read_json, write_json
from shared.system.schema import LINE, TEXT, Each, Record, whole
from shared.training.run_schema import CODE_LENGTH, SEED

SUITE_FILE = "suite.json"


@dataclass(frozen=True)
class Grid:
    """``seeds``: bits -> the seeds planned at that length. ``frameworks``: those that run, or have run.

    ``unavailable``: framework -> why it was asked for and cannot run. ``label``: what the user calls the data.
    ``threads``: those of one process, as each command that wrote here had them; () where older versions wrote alone.
    """

    seeds: dict[int, list[int]]
    frameworks: list[str]
    unavailable: dict[str, str] = dataclasses.field(default_factory=dict)
    label: str = ""
    threads: tuple[int, ...] = ()

    @property
    def bits(self) -> list[int]:
        """The planned code lengths, shortest first."""
        return sorted(self.seeds)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Every planned length with each of its seeds."""
        return [(bits, seed) for bits in self.bits for seed in self.seeds[bits]]

    @property
    def cells(self) -> set[Cell]:
        """Every planned run."""
        return {Cell(name, *pair) for name, pair in product(self.frameworks, self.pairs)}

    def write(self, out: Path, anew: bool = False) -> None:
        """Write it into the folder of a suite; what was planned there before stays planned, unless ``anew``.

        A verdict waits for every planned run, so a later, smaller command must not bring it forward.
        """
        grid = self
        if (out / SUITE_FILE).exists() and not anew:
            earlier = read_grid(out)
            grid = dataclasses.replace(joined([earlier, self]), label=self.label or earlier.label)
            if grid == earlier:
                return  # a newer file would make table and report look outdated
        write_json(out / SUITE_FILE, dataclasses.asdict(grid))


def read_grid(out: Path) -> Grid:
    """The plan in the folder of a suite; UserError where ``suite.json`` is missing or damaged."""
    file = out / SUITE_FILE
    if not file.exists():
        raise UserError(f"{out}: expected {SUITE_FILE}, found none; the benchmark command without --cell writes it")
    try:
        values = read_json(file, _schema())
    except UserError as error:
        again = "or remove the file and give the benchmark command again, which keeps finished runs"
        raise UserError(f"{error}; {again}") from error
    seeds = {int(bits): planned for bits, planned in values["seeds"].items()}
    return Grid(**{**values, "seeds": seeds, "threads": tuple(values["threads"])})


def _schema() -> Record:
    fields = {
        "seeds": Each([SEED], key=CODE_LENGTH),
        "frameworks": [known_key()],
        "unavailable": Each(TEXT, key=known_key()),
        "label": LINE,
        "threads": [whole(1)],
    }
    return Record(fields, later={"threads": []})


def joined(grids: Sequence[Grid]) -> Grid:
    """Everything that any of them plans."""
    lengths = _union(grid.seeds for grid in grids)
    seeds = {bits: _union(grid.seeds.get(bits, []) for grid in grids) for bits in lengths}
    frameworks = _union(grid.frameworks for grid in grids)
    reasons = {name: reason for grid in grids for name, reason in grid.unavailable.items() if name not in frameworks}
    label = "; ".join(_union([grid.label] for grid in grids if grid.label))
    return Grid(seeds, frameworks, reasons, label, tuple(_union(grid.threads for grid in grids)))


def _union(lists: Iterable[Iterable]) -> list:
    return list(dict.fromkeys(value for values in lists for value in values))
