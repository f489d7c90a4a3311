"""Copying what is committed of a suite's folder to results/."""

import html
import os
import re
import shutil
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from compare.ladder.report import ALIGN_FILE
from compare.page.code_metrics import METRICS_FILE
from compare.page.data import THROUGHPUT_FILE
from compare.page.freshness import REPORT_FILE
from compare.page.report import write_report
from compare.stats.code_bits import AGREEMENT_FILE
from compare.suite.grid import SUITE_FILE, read_grid
from compare.suite.rounding import CASES, difference_file, known_difference, rounding_folder
from compare.suite.run_folders import finished_runs
from compare.suite.studies import CONTROLS, control_folder, variance_folder
from compare.tables.table import make_table
from shared.config.kernels import NATIVE
from shared.config.recipe import SEEDED
from shared.system.errors import UserError
from shared.system.files import PROJECT_ROOT, make_folder, write_json, write_text
from shared.training.runs import Run

_TABLES = ("table.md", "table.csv", "table.json")
_OF_SUITE = (SUITE_FILE, ALIGN_FILE, THROUGHPUT_FILE, METRICS_FILE, AGREEMENT_FILE, *_TABLES, REPORT_FILE)
# those that the page of results shows; the report holds all, as SVG
_FIGURES = ("map_by_length.png", "differences*.png", "rounding-*.png")
_ROWS_OF_MAP = ("recipe_file", "log_file", "result_file")
_ROWS = (*_ROWS_OF_MAP, "queries_file")


def results_folder(project: Path = PROJECT_ROOT) -> Path:
    """``results/`` of the working tree; UserError where ``project`` is a folder of installed packages instead."""
    if not (project / "pyproject.toml").is_file():
        raise UserError(
            f"expected a checkout of this project, whose results/ is committed, received {project}, where no "
            "pyproject.toml lies beside the packages; clone it, install it there by pip install -e . and publish again"
        )
    return project / "results"


def publish(out: Path, name: str, results: Path) -> Path:
    """Copy what is worth keeping of the suite in ``out`` to ``results``/``name``, all of it or nothing.

    Raises UserError for a name that is no plain folder name or taken by something else, and like ``make_table``.
    """
    target, temporary, older = (results / f"{prefix}{name}" for prefix in ("", ".new-", ".older-"))
    if not re.fullmatch(r"[\w-][\w.-]*", name) or (target.exists() and not (target / SUITE_FILE).exists()):
        raise UserError(
            f"NAME: expected the name of a folder, such as cifar10-cpu, that is new or holds a published suite, "
            f"received {name!r}"
        )
    table = make_table(out)
    table.write(out)
    write_report(out, table)
    for left_by_a_kill in (temporary, older):
        shutil.rmtree(left_by_a_kill, ignore_errors=True)
    _copy(out, make_folder(temporary))
    _without_folders_of_images(temporary / REPORT_FILE, finished_runs(out))
    for figure in (file for name in _FIGURES for file in sorted((out / "figures").glob(name))):
        shutil.copyfile(figure, make_folder(temporary / "figures") / figure.name)
    if target.exists():
        os.replace(target, older)
    os.replace(temporary, target)
    shutil.rmtree(older, ignore_errors=True)
    return target


def _copy(out: Path, target: Path) -> None:
    """The suite's own files, and the rows of its runs and of those of its studies."""
    _copy_suite(out, target, _ROWS)
    for kind in CONTROLS:
        _copy_suite(control_folder(out, kind), control_folder(target, kind), _ROWS)
    # of these studies a table shows mAPs alone
    for part in SEEDED:
        _copy_suite(variance_folder(out, part), variance_folder(target, part), _ROWS_OF_MAP)
    for case in CASES:
        if case != NATIVE:
            _copy_suite(rounding_folder(out, case), rounding_folder(target, case), _ROWS_OF_MAP)
    for case, (bits, seed) in product(CASES, read_grid(out).pairs):
        if difference := known_difference(out, case, bits, seed):
            difference.write(difference_file(target, case, bits, seed))


def _copy_suite(out: Path, target: Path, rows: Sequence[str]) -> None:
    if not out.is_dir():
        return
    make_folder(target)
    for name in _OF_SUITE:
        if (out / name).exists():
            shutil.copyfile(out / name, target / name)
    for run in finished_runs(out):
        _copy_run(run, Run(make_folder(target / run.folder.relative_to(out))), rows)


def _copy_run(run: Run, target: Run, rows: Sequence[str]) -> None:
    for name in rows:
        if getattr(run, name).exists():
            shutil.copyfile(getattr(run, name), getattr(target, name))
    environment = run.environment()
    # paths of the machine it ran on mean nothing elsewhere
    command, data = [_without_folders(argument) for argument in environment["command"]], environment["data"]
    write_json(target.environment_file, environment | {"command": command, "data": data and _without_folders(data)})


def _without_folders_of_images(report: Path, runs: Sequence[Run]) -> None:
    """Where images cannot be shown the report says where they were looked for."""
    text = report.read_text(encoding="utf-8")
    for data in {run.environment()["data"] for run in runs} - {None}:
        text = text.replace(html.escape(data), html.escape(_without_folders(data)))
    write_text(report, text)


def _without_folders(argument: str) -> str:
    return Path(argument).name if os.path.isabs(argument) else argument
