"""Train and score GreedyHash in both frameworks and print the paper-vs-PyTorch-vs-Paddle table.

python compare/benchmark.py                      the demo: bundled digits, a few minutes on a laptop
python compare/benchmark.py --preset cpu         real CIFAR-10, 5 epochs, for a machine without a GPU
python compare/benchmark.py --preset small       real CIFAR-10 to the end of training, smaller, on two cores
python compare/benchmark.py --preset paper       the published protocol, for a GPU
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
from collections.abc import Sequence
from pathlib import Path

from compare.frameworks.records import run_order
from compare.frameworks.worker import add_python_options
from compare.pipeline.run import run_benchmark
from compare.suite.cells import parse_cell
from compare.suite.settings import add_recipe_option, add_set_option, add_split_options
from shared.config.arithmetic import PRECISIONS
from shared.config.kernels import NATIVE
from shared.config.limits import MAX_BITS
from shared.config.recipe import BASE_SEED, PRESETS
from shared.system.errors import exit_status
from shared.system.options import Parser, add_device, whole
from shared.training.runs import LOGGERS


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/benchmark.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument_group("what to train").add_argument
    add("--preset", choices=("auto", *PRESETS), default="auto", help="auto: paper with a GPU, demo without")
    add("--bits", type=whole(1, MAX_BITS), nargs="+", metavar="N", help="code lengths; default: the preset's")
    add("--frameworks", nargs="+", choices=run_order(), default=run_order(), help="which to train")
    add("--seeds", type=int, nargs="+", metavar="N", help=f"one run per seed; the mean is shown; default: {BASE_SEED}")
    add("--epochs", type=int, metavar="N", help="passes over the training images; default: the preset's")
    add("--eval-every", type=int, metavar="N", help="score every N epochs; 0: after the last only")
    add("--dropout", choices=("shared", "native"), help="native: each framework's own masks; default: shared")
    add("--precision", choices=PRECISIONS, help="of training and encoding; tf32 and bf16 need a GPU; default: fp32")
    kernels_help = (
        "shared: this project's own in both frameworks, for the same bits; native+FAMILY..., shared-FAMILY...; "
        f"default: {NATIVE}"
    )
    add("--kernels", metavar="native|shared|...", help=kernels_help)
    best_help = "keep the weights of each run's best-scoring epoch, too; chosen on the queries"
    add("--keep-best", action="store_true", help=best_help)
    logger_help = "TensorBoard for PyTorch, VisualDL for Paddle, in each run's folder"
    add("--logger", nargs="+", choices=LOGGERS, default=[], help=logger_help)
    add("--margin", type=float, metavar="D", help="difference of mAP that does not matter, for the verdict over seeds")
    add("--deterministic", action="store_true", help="the same bits again, where the framework can")
    group = parser.add_argument_group("further settings")
    add_set_option(group)
    add_recipe_option(group)
    _add_data(parser)
    add = parser.add_argument_group("further runs").add_argument
    add(
        "--control",
        action="store_true",
        help="A/A: again on other threads, with native dropout, and from one changed weight",
    )
    add("--variance", action="store_true", help="runs in which split, weights, order or dropout alone vary by seed")
    rounding_help = "how far rounding carries a training: shared kernels, one changed weight, one native family"
    add("--rounding", action="store_true", help=rounding_help)
    add = parser.add_argument_group("folder").add_argument
    add("--out", type=Path, metavar="DIR", help="default: runs/PRESET")
    add("--force", action="store_true", help="replace runs made with another recipe")
    add("--skip-align", action="store_true", help="leave out the quick alignment ladder that runs first")
    add(
        "--dry-run",
        action="store_true",
        help="print the runs, what is finished and how long the rest takes; no training",
    )
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


def _add_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data and start")
    add = group.add_argument
    data_help = "CIFAR-10, or images of your own, in a supported layout; default: download CIFAR-10 once"
    add("--data", metavar="PATH|download", help=data_help)
    label_help = "name of the data in the table; a copy of CIFAR-10 needs that name here"
    add("--label", default="", metavar="TEXT", help=label_help)
    add_split_options(group)
    add("--skip-unreadable", action="store_true", help="leave out pictures that cannot be read, and name them")
    strict_help = "refuse a split with the same image among queries and in database or training; default: count them"
    add("--strict-split", action="store_true", help=strict_help)
    add("--backbone-weights", metavar="imagenet|imagenet-conv|none|FILE", help="AlexNet's start; default: imagenet")


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line asks for: a suite, or one of its cells."""
    arguments = build_parser().parse_args(argv)
    run_benchmark(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
