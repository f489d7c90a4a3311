"""Train and score GreedyHash in both frameworks and print the paper-vs-PyTorch-vs-Paddle table.

python compare/benchmark.py                      the demo: bundled digits, a few minutes on a laptop
python compare/benchmark.py --preset cpu         real CIFAR-10, 5 epochs, for a machine without a GPU
python compare/benchmark.py --preset paper       the published protocol, for a GPU
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "shared" / "system" / "entry.py"))

import argparse
import dataclasses
import os
import sys
from contextlib import ExitStack, closing, suppress

from compare.align import ALIGN_STEPS, align, quick_scale
from compare.execution.cells import Cell, LocalExecutor, parse_cell
from compare.execution.cluster import LOCAL, RayExecutor
from compare.execution.follow import FollowingSuite
from compare.execution.planning import check_options, plan, threads_of_run
from compare.execution.studies import controls, families
from compare.execution.suite import Executor, Suite
from compare.ladder.report import ALIGN_FILE, read_align
from compare.reporting.freshness import REPORT_FILE, is_up_to_date
from compare.table import write_table
from compare.worker import add_python_options
from shared.config.arithmetic import PRECISIONS
from shared.config.protocols import PROTOCOLS
from shared.config.recipe import BASE_SEED, MAX_BITS, PRESETS
from shared.system.errors import EXIT_CHECK_FAILED, UserError, WorkerDied, exit_status
from shared.system.options import Parser, add_device, whole
from shared.system.progress import Progress, make_progress
from shared.training.runs import FRAMEWORKS

_CIFAR_PROTOCOLS = [name for name in PROTOCOLS if name.startswith("cifar10")]


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/benchmark.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument_group("what to train").add_argument
    add("--preset", choices=("auto", *PRESETS), default="auto", help="auto: paper with a GPU, demo without")
    add("--bits", type=whole(1, MAX_BITS), nargs="+", default=[12, 24, 32, 48], metavar="N", help="code lengths")
    add("--frameworks", nargs="+", choices=FRAMEWORKS, default=list(FRAMEWORKS), help="which to train")
    add("--seeds", type=int, nargs="+", default=[BASE_SEED], metavar="N", help="one run per seed; the mean is shown")
    add("--epochs", type=int, metavar="N", help="passes over the training images; default: the preset's")
    add("--eval-every", type=int, metavar="N", help="score every N epochs; 0: after the last only")
    add("--dropout", choices=("shared", "native"), default="shared", help="native: each framework's own masks")
    add("--precision", choices=PRECISIONS, default="fp32", help="of training and encoding; tf32 and bf16 need a GPU")
    add("--margin", type=float, metavar="D", help="difference of mAP that does not matter, for the verdict over seeds")
    add("--deterministic", action="store_true", help="the same bits again, where the framework can")
    add = parser.add_argument_group("data and start").add_argument
    data_help = "CIFAR-10, or ten classes of your own, in a supported layout; default: download CIFAR-10 once"
    add("--data", metavar="PATH|download", help=data_help)
    label_help = "what the table says of the data; a copy of CIFAR-10 needs its name here"
    add("--label", default="", metavar="TEXT", help=label_help)
    add("--protocol", choices=_CIFAR_PROTOCOLS, help="default: cifar10-1, the paper's CIFAR-10 (I)")
    add("--backbone-weights", metavar="imagenet|imagenet-conv|none|FILE", help="AlexNet's start; default: imagenet")
    add = parser.add_argument_group("further runs").add_argument
    add("--control", action="store_true", help="A/A: every run again on other threads, and with native dropout")
    add("--variance", action="store_true", help="runs in which split, weights, order or dropout alone vary by seed")
    add = parser.add_argument_group("folder").add_argument
    add("--out", type=Path, metavar="DIR", help="default: runs/PRESET")
    add("--force", action="store_true", help="replace runs made with another recipe")
    add("--skip-align", action="store_true", help="leave out the quick alignment ladder that runs first")
    machine = parser.add_argument_group("machines")
    add = machine.add_argument
    add_device(machine)
    add("--devices", type=whole(1), default=1, metavar="N", help="GPUs, or processes on a CPU, that share a run's work")
    add("--nodes", type=whole(1), default=1, metavar="M", help="machines that do; give the same command on each")
    add("--timeout", type=whole(1), default=1800, metavar="S", help="seconds that another node waits for the first")
    cell_help = "one run alone, with its studies' runs, for batch schedulers; no table"
    add("--cell", type=parse_cell, metavar="FRAMEWORK:BITS:SEED", help=cell_help)
    add("--cell-cpus", type=whole(1), metavar="N", help="threads of one run; default: $OMP_NUM_THREADS, else all cores")
    add("--executor", choices=("local", "ray"), default="local", help="ray: runs at once, on a Ray cluster's nodes")
    add("--ray-address", metavar="HOST:PORT|auto", help="default: $RAY_ADDRESS, else a Ray on this machine")
    add_python_options(machine)
    return parser


def main() -> None:
    """Run what the command line asks for: a suite, or one of its cells."""
    arguments = build_parser().parse_args()
    _check_grid(arguments)
    check_options(arguments)
    progress = make_progress("auto")
    with closing(progress), closing(_executor(arguments)) as executor:
        suite = plan(arguments, executor, progress)
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


def _run_cell(cell: Cell, suites: list[Suite], executor: Executor, progress: Progress) -> None:
    for suite in suites:
        if cell in suite.cells:
            with suite.locked(shared=True):
                suite.run_cell(cell, executor, progress)
    print(f"{cell} is finished; when all are, the same command without --cell writes the table")


def _run_all(suites: list[Suite], arguments: argparse.Namespace, executor: Executor, progress: Progress) -> bool:
    """Climb the ladder, run a suite and its studies and show them; whether the ladder was passed or left out."""
    with ExitStack() as locks:
        for suite in suites:
            locks.enter_context(suite.locked())
        aligned = arguments.skip_align or _align(suites[0], arguments.executor, progress)
        _run(suites, executor, progress)
    return aligned


def _studies(arguments: argparse.Namespace, suite: Suite) -> list[Suite]:
    frameworks = arguments.frameworks if arguments.cell else suite.frameworks
    return [
        *(controls(suite) if arguments.control else []),
        *(families(suite, frameworks) if arguments.variance else []),
    ]


def _run(suites: list[Suite], executor: Executor, progress: Progress) -> None:
    """Run a suite and its studies; the table and the report are written even when a run fails."""
    out = suites[0].out
    try:
        for suite in suites:
            if suite.out != out:
                progress.note(f"now {suite.out.relative_to(out)}")
            suite.run(executor, progress)
    except (WorkerDied, KeyboardInterrupt):
        with suppress(UserError):  # the report says what stands in the way of a table; how training ended goes first
            _show(out)
        raise
    _show(out)


def _show(out: Path) -> None:
    report = out / REPORT_FILE
    if is_up_to_date(out):
        table = (out / "table.md").read_text(encoding="utf-8").rstrip("\n")
    else:
        from compare.report import write_report

        report, table = write_report(out), write_table(out)
    print(f"\n{table}\n\nwritten to {out}/table.md, table.csv and table.json", flush=True)
    print(f"the same with figures: {report}")


def _executor(arguments: argparse.Namespace) -> Executor:
    if arguments.executor == "local":
        return LocalExecutor()
    address = arguments.ray_address or os.environ.get("RAY_ADDRESS", LOCAL)
    return RayExecutor(address, arguments.device, threads_of_run(arguments))


def _align(suite: Suite, executor: str, progress: Progress) -> bool:
    """Climb the quick ladder, here, unless it passed in this folder and nothing is left to train."""
    if len(suite.workers) < len(FRAMEWORKS):
        progress.note("alignment ladder: left out, since it compares two frameworks")
        return True
    if (suite.out / ALIGN_FILE).exists() and suite.is_finished() and read_align(suite.out)["passed"]:
        return True
    workers = {worker.framework: dataclasses.replace(worker, threads=1) for worker in suite.workers}
    # a GPU that the nodes have may be missing here
    device = "cuda" if set(suite.devices.values()) == {"cuda"} and executor == "local" else "cpu"
    return align(quick_scale(ALIGN_STEPS), suite.bits[-1], workers, device, suite.out)["passed"]


def _check_grid(arguments: argparse.Namespace) -> None:
    for name in ("bits", "seeds"):
        if len(set(getattr(arguments, name))) != len(getattr(arguments, name)):
            raise UserError(f"--{name}: expected different values, received {getattr(arguments, name)}")
    grid = (arguments.frameworks, arguments.bits, arguments.seeds)
    if arguments.cell and not all(value in values for value, values in zip(arguments.cell, grid, strict=True)):
        choices = " : ".join("|".join(map(str, values)) for values in grid)
        raise UserError(
            f"--cell: expected one of --frameworks : --bits : --seeds, {choices}; received {arguments.cell}"
        )
    if arguments.cell and arguments.preset == "auto":
        raise UserError(
            "--cell: expected --preset paper, cpu or demo beside it, since auto can differ from node to node"
        )
    if arguments.ray_address and arguments.executor != "ray":
        raise UserError("--ray-address goes with --executor ray; leave it out, or add that")
    if arguments.executor == "ray" and (arguments.devices, arguments.nodes) != (1, 1):
        raise UserError("--devices and --nodes: expected 1 with --executor ray, whose runs have one device each")


if __name__ == "__main__":
    sys.exit(exit_status(main))
