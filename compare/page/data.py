"""The data of a report: everything a suite's folder holds, finished or not, and what is wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compare.frameworks.records import FRAMEWORKS
from compare.ladder.report import ALIGN_FILE, read_align
from compare.suite.cells import Cell
from compare.suite.grid import Grid, read_grid
from compare.suite.run_folders import placed_result
from compare.tables.table import ComparisonTable, make_table
from shared.codes.codes import Codes
from shared.config.recipe import Recipe
from shared.system.errors import UserError
from shared.system.files import read_json
from shared.system.schema import TEXT, Each, Record
from shared.training.runs import Run, begun_cells, run_of

THROUGHPUT_FILE = "throughput.json"
_THROUGHPUT = Record({"table": [Each(TEXT, key=TEXT)], "notes": [TEXT]}, later={"table": [], "notes": []}, open=True)
_QUOTED_LINES = 12


@dataclass(frozen=True)
class RunData:
    """One run of the suite; what is missing or cannot be read is None, and ``problem`` says why."""

    cell: Cell
    run: Run
    recipe: Recipe | None
    log: list[dict]
    result: dict | None
    environment: dict | None
    problem: str
    worker_log: str

    @property
    def data(self) -> str | None:
        """The path of its images; None where it is not recorded."""
        return self.environment and self.environment["data"]

    def codes(self) -> Codes:
        """Its codes; UserError when the file is missing or damaged."""
        return Codes.load(self.run.codes_file, *([self.recipe.num_classes] if self.recipe else []))


@dataclass(frozen=True)
class SuiteData:
    """A suite's folder. ``grid``: what was planned, as far as it is known. ``problems``: sentences for the reader.

    ``table`` is the content of the comparison table, None where the runs make none.
    """

    out: Path
    grid: Grid
    runs: list[RunData]
    table: dict | None
    align: dict | None
    throughput: dict | None
    problems: list[str]

    @property
    def finished(self) -> list[RunData]:
        return [run_data for run_data in self.runs if run_data.result]

    @property
    def lengths(self) -> list[int]:
        """The code lengths of which a run has at least begun."""
        return sorted({run_data.cell.bits for run_data in self.runs if run_data.log or run_data.result})

    @property
    def finished_lengths(self) -> list[int]:
        """The code lengths that have a finished run."""
        return sorted({run_data.cell.bits for run_data in self.finished})

    @property
    def measure(self) -> str:
        """What the runs are scored by."""
        return self.recipe.measure if self.recipe else "mAP"

    @property
    def recipe(self) -> Recipe | None:
        """The recipe of the first run, which all others share but for bits and seed."""
        return next((run_data.recipe for run_data in self.runs if run_data.recipe), None)

    def of(self, framework: str, bits: int) -> list[RunData]:
        """The runs of a framework at one length, a run a seed."""
        return [run_data for run_data in self.runs if run_data.cell[:2] == (framework, bits)]

    def finished_run(self, framework: str, bits: int, seed: int) -> RunData | None:
        """This very run, if it is finished."""
        return next((run_data for run_data in self.finished if run_data.cell == (framework, bits, seed)), None)


def read_suite(out: Path, table: ComparisonTable | None = None) -> SuiteData:
    """Read the folder, with its ``table`` where that is known already; UserError when it holds no suite at all."""
    problems: list[str] = []
    cells = {Cell(*cell) for cell in begun_cells(out, FRAMEWORKS)}
    grid = _try(problems, read_grid, out) or _grid_of(cells)
    if not cells and not grid.bits:
        raise UserError(f"{out}: expected the folder of a suite (benchmark.py --out), found no run in it")
    runs = [_read_run(out, cell) for cell in sorted(grid.cells | cells, key=_in_order)]
    table = table or _try(problems, make_table, out)
    problems += table.bits.problems if table else []
    align = _try(problems, read_align, out) if (out / ALIGN_FILE).exists() else None
    throughput = _try(problems, _throughput, out / THROUGHPUT_FILE) if (out / THROUGHPUT_FILE).exists() else None
    return SuiteData(out, grid, runs, table and table.content, align, throughput, problems)


def _throughput(file: Path) -> dict:
    measured = read_json(file, _THROUGHPUT)
    if len({tuple(row) for row in measured["table"]}) > 1:
        raise UserError(f"{file}: table: expected rows of the same columns, received others")
    return measured


def _in_order(cell: Cell) -> tuple[int, int, int]:
    """By length, then by seed, the frameworks as in the table."""
    return cell.bits, cell.seed, list(FRAMEWORKS).index(cell.framework)


def _grid_of(cells: set[Cell]) -> Grid:
    """What was planned, as far as the run folders show it."""
    lengths = {cell.bits for cell in cells}
    seeds = {bits: sorted({cell.seed for cell in cells if cell.bits == bits}) for bits in lengths}
    return Grid(seeds, sorted({cell.framework for cell in cells}))


def _read_run(out: Path, cell: Cell) -> RunData:
    run, problems = run_of(out, *cell), []
    recipe = _try(problems, run.recipe) if run.recipe_file.exists() else None
    result = _try(problems, placed_result, out, run) if run.is_finished() else None
    environment = _try(problems, run.environment) if run.environment_file.exists() else None
    log = _try(problems, run.log) or []
    worker_log = ""
    if not result and run.worker_log_file.exists():
        lines = run.worker_log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        worker_log = "\n".join(lines[-_QUOTED_LINES:])
    problem = "; ".join(dict.fromkeys(problems)) or ("" if result else _progress(recipe, log))
    return RunData(cell, run, recipe, log, result, environment, problem, worker_log)


def _progress(recipe: Recipe | None, log: list[dict]) -> str:
    if not log or not recipe:
        return "not begun" if not recipe else "prepared, but no epoch is finished"
    done = log[-1]["epoch"]
    return f"not finished: {done} of {recipe.epochs} epochs done{', not scored yet' if done == recipe.epochs else ''}"


def _try(problems: list[str], read: Callable, *arguments: object) -> object:
    """The value, or None and a problem."""
    try:
        return read(*arguments)
    except UserError as error:
        problems += error.args
        return None
