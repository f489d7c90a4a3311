"""Which runs a suite is to have: what ``suite.json`` holds."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from compare.execution.cells import Cell
from shared.errors import UserError
from shared.files import read_json, write_json

SUITE_FILE = "suite.json"


@dataclass(frozen=True)
class Grid:
    """``seeds``: bits -> the seeds planned at that length. ``frameworks``: those that run, or have run.

    ``unavailable``: framework -> why it was asked for and cannot run. ``label``: what the user calls the data.
    """

    seeds: dict[int, list[int]]
    frameworks: list[str]
    unavailable: dict[str, str] = dataclasses.field(default_factory=dict)
    label: str = ""

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
                return  # as new it would look like something to show
        write_json(out / SUITE_FILE, dataclasses.asdict(grid))


def read_grid(out: Path) -> Grid:
    """What is planned in the folder of a suite; UserError when it does not say."""
    file = out / SUITE_FILE
    if not file.exists():
        raise UserError(f"{out}: expected {SUITE_FILE}, found none; the benchmark command without --cell writes it")
    values = read_json(file)
    try:
        seeds = {int(bits): list(map(int, own)) for bits, own in values["seeds"].items()}
        return Grid(**{**values, "seeds": seeds})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{file}: expected what this version writes, received something else ({error!r}); remove the file and give "
            "the benchmark command again, which keeps finished runs"
        ) from error


def joined(grids: Sequence[Grid]) -> Grid:
    """Everything that any of them plans."""
    lengths = _union(grid.seeds for grid in grids)
    seeds = {bits: _union(grid.seeds.get(bits, []) for grid in grids) for bits in lengths}
    frameworks = _union(grid.frameworks for grid in grids)
    reasons = {name: reason for grid in grids for name, reason in grid.unavailable.items() if name not in frameworks}
    return Grid(seeds, frameworks, reasons, "; ".join(_union([grid.label] for grid in grids if grid.label)))


def _union(lists: Iterable[Iterable]) -> list:
    return list(dict.fromkeys(value for values in lists for value in values))
