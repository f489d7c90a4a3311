"""A benchmark from its options to the table: the ladder, the runs of the suite and its studies, table and report."""

import argparse
import dataclasses
import os
import sys
from contextlib import ExitStack, closing, suppress
from functools import partial
from itertools import product
from pathlib import Path

from compare.frameworks.records import SIDES, titles
from compare.ladder.divergence import difference_of
from compare.ladder.report import has_passed
from compare.ladder.run import ALIGN_STEPS, align, quick_scale
from compare.page.freshness import REPORT_FILE, is_up_to_date
from compare.pipeline.dry_run import show_plan
from compare.suite.cells import Cell, LocalExecutor
from compare.suite.cluster import LOCAL, RayExecutor
from compare.suite.follow import FollowingSuite
from compare.suite.planning import check_options, folder_of, plan, threads_of_run
from compare.suite.rounding import CASES, compared_runs, difference_file, known_difference, rounding, rounding_folder
from compare.suite.settings import settled
from compare.suite.studies import controls, families
from compare.suite.suite import Executor, Suite
from shared.system.errors import EXIT_CHECK_FAILED, UserError, WorkerDied
from shared.system.progress import Progress, make_progress
from shared.training.runs import run_of


def run_benchmark(arguments: argparse.Namespace) -> None:
    """Run what the options of ``compare/benchmark.py`` ask for: a suite with its studies, or one of its cells."""
    arguments = settled(arguments)
    check_options(arguments)
    progress = make_progress("auto")
    with closing(progress), closing(_executor(arguments)) as executor:
        if arguments.dry_run:
            show_plan(arguments, executor, partial(_studies, arguments), progress)
            return
        suite = plan(arguments, executor, progress, is_finished=_is_finished(arguments))
        suites = [suite, *_studies(arguments, suite)]
        for each in suites:
            each.check()
        if arguments.cell:
            _run_cell(arguments.cell, suites, executor, progress)
        elif isinstance(suite, FollowingSuite):
            for each in suites:
                each.run(executor, progress)
        elif not _run_all(suites, arguments, executor, progress):
            print("a rung of the alignment ladder failed: the two frameworks do not compute the same", file=sys.stderr)
            sys.exit(EXIT_CHECK_FAILED)


def _is_finished(arguments: argparse.Namespace) -> bool:
    """Whether everything is finished, as far as the folder shows, so that no framework is needed.

    The runs' recipes are compared later. A preset that a GPU decides on needs the frameworks.
    """
    studied = arguments.control or arguments.variance or arguments.rounding
    if arguments.preset == "auto" or arguments.force or studied or arguments.nodes > 1:
        return False
    out = folder_of(arguments, arguments.preset)
    runs = [run_of(out, *cell) for cell in product(arguments.frameworks, arguments.bits, arguments.seeds)]
    return all(run.is_finished() for run in runs) and (_needs_no_ladder(arguments) or has_passed(out))


def _needs_no_ladder(arguments: argparse.Namespace) -> bool:
    return arguments.skip_align or arguments.cell or not set(SIDES) <= set(arguments.frameworks)


def _run_cell(cell: Cell, suites: list[Suite], executor: Executor, progress: Progress) -> None:
    for suite in suites:
        if cell in suite.cells:
            with suite.locked(shared=True):
                suite.run_cell(cell, executor, progress)
    print(f"{cell} is finished; when all are, the same command without --cell writes the table")


def _run_all(suites: list[Suite], arguments: argparse.Namespace, executor: Executor, progress: Progress) -> bool:
    """Run the ladder, a suite and its studies; return whether the ladder passed or was left out."""
    with ExitStack() as locks:
        for suite in suites:
            locks.enter_context(suite.locked())
        aligned = arguments.skip_align or _align(suites[0], arguments.executor, progress)
        _run(suites, executor, progress, with_rounding=arguments.rounding)
    return aligned


def _studies(arguments: argparse.Namespace, suite: Suite) -> list[Suite]:
    frameworks = arguments.frameworks if arguments.cell else suite.frameworks
    return [
        *(controls(suite) if arguments.control else []),
        *(families(suite, frameworks) if arguments.variance else []),
        *(rounding(suite, frameworks, arguments.devices * arguments.nodes) if arguments.rounding else []),
    ]


def _run(suites: list[Suite], executor: Executor, progress: Progress, with_rounding: bool) -> None:
    """Run a suite and its studies; the table and the report are written even when a run fails."""
    out = suites[0].out
    try:
        for suite in suites:
            if suite.out != out:
                progress.note(f"now {suite.out.relative_to(out)}")
            suite.run(executor, progress)
            if with_rounding:
                _measure_differences(suites[0], suite.out, progress)
    except (WorkerDied, KeyboardInterrupt):
        with suppress(UserError):  # the report says what stands in the way of a table; how training ended goes first
            _show(out)
        raise
    _show(out)


def _measure_differences(suite: Suite, folder: Path, progress: Progress) -> None:
    """Keep how the runs in ``folder``, of one case of the study of rounding, part from what they are compared with."""
    cases = [case for case in CASES if rounding_folder(suite.out, case) == folder]
    for case, bits, seed in product(cases, suite.bits, suite.seeds):
        if not known_difference(suite.out, case, bits, seed):
            progress.note(f"  {case}, {bits} bits, seed {seed}: the first steps again, to see when the runs part")
            found = difference_of(suite, compared_runs(suite.out, case, bits, seed))
            found.write(difference_file(suite.out, case, bits, seed))


def _show(out: Path) -> None:
    if not is_up_to_date(out):
        _write_table_and_report(out)
    table = (out / "table.md").read_text(encoding="utf-8").rstrip("\n")
    print(f"\n{table}\n\nwritten to {out}/table.md, table.csv and table.json", flush=True)
    print(f"the same with figures: {out / REPORT_FILE}")


def _write_table_and_report(out: Path) -> None:
    # pandas and matplotlib, which a finished suite does without
    from compare.page.report import write_report
    from compare.tables.table import make_table

    try:
        table = make_table(out)
    except UserError:
        write_report(out)  # it says what stands in the way of a table
        raise
    table.write(out)
    write_report(out, table)


def _executor(arguments: argparse.Namespace) -> Executor:
    if arguments.executor == "local":
        return LocalExecutor()
    address = arguments.ray_address or os.environ.get("RAY_ADDRESS", LOCAL)
    return RayExecutor(address, arguments.device, threads_of_run(arguments))


def _align(suite: Suite, executor: str, progress: Progress) -> bool:
    """Run the quick ladder, here, unless it passed in this folder and nothing is left to train."""
    if not set(SIDES) <= set(suite.frameworks):
        progress.note("alignment ladder: left out, since it compares two frameworks")
        return True
    if others := [name for name in suite.frameworks if name not in SIDES]:
        progress.note(f"alignment ladder: compares {titles(sorted(SIDES))}, not {titles(others)}")
    if suite.is_finished() and has_passed(suite.out):
        return True
    workers = {
        worker.framework: dataclasses.replace(worker, threads=1)
        for worker in suite.workers
        if worker.framework in SIDES
    }
    # a GPU that the nodes have may be missing here
    device = "cuda" if set(suite.devices.values()) == {"cuda"} and executor == "local" else "cpu"
    return align(quick_scale(ALIGN_STEPS), suite.bits[-1], workers, device, suite.out)["passed"]
