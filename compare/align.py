"""Prove, rung by rung from pixels to a trained network, that both frameworks compute the same thing.

python compare/align.py                    the quick ladder: a narrow network, under a minute
python compare/align.py --full             the published network at full width and 224 px as well
python compare/align.py --plant FAULT      plant a fault on one side: the ladder must stop at the named rung
python compare/align.py --plant list       the faults, and the rung that catches each
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

from compare.frameworks.worker import Worker, add_python_options
from compare.ladder.faults import FAULTS, NO_FAULT
from compare.ladder.run import ALIGN_STEPS, align, full_scale, quick_scale
from shared.config.recipe import MAX_BITS
from shared.system.errors import EXIT_CHECK_FAILED, exit_status
from shared.system.files import check_writable
from shared.system.options import Parser, whole


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/align.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument_group("the ladder").add_argument
    add("--bits", type=whole(1, MAX_BITS), default=48, metavar="N", help="code length")
    add("--steps", type=whole(1), default=ALIGN_STEPS, metavar="N", help="float32 steps; float64 takes at least 200")
    add("--full", action="store_true", help="the full-width network too, for a few steps")
    add("--plant", choices=("list", *FAULTS), metavar="FAULT", help="plant a fault; 'list' shows them")
    add("--out", type=Path, default=Path("runs/align"), metavar="DIR", help="folder for align.json")
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where both compute")
    add_python_options(machine)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Climb the ladder the command line asks for; exit status 1 when a rung fails."""
    arguments = build_parser().parse_args(argv)
    if arguments.plant == "list":
        for fault in FAULTS.values():
            print(f"{fault.name:24} {fault.rung:20} {fault.what}")
        return
    check_writable(arguments.out)
    workers = {name: Worker(name, getattr(arguments, f"{name}_python"), threads=1) for name in ("paddle", "torch")}
    scales = [quick_scale(arguments.steps)]
    if arguments.full:
        scales.append(full_scale())
    fault = FAULTS.get(arguments.plant, NO_FAULT)
    reports = [align(scale, arguments.bits, workers, arguments.device, arguments.out, fault) for scale in scales]
    if not all(report["passed"] for report in reports):
        sys.exit(EXIT_CHECK_FAILED)


if __name__ == "__main__":
    sys.exit(exit_status(main))
