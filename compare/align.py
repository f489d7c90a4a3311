"""Prove, rung by rung from pixels to a trained network, that both frameworks compute the same thing.

python compare/align.py                    the quick ladder: a narrow network, under a minute
python compare/align.py --full             the published network at full width and 224 px as well
python compare/align.py --rungs NAME ...   some rungs alone, in this order; 'list' shows all and what each needs
python compare/align.py --inject FAULT     inject a fault on one side: the ladder must stop at the named rung
python compare/align.py --inject list      the faults, and the rung that catches each
python compare/align.py --smallest-faults  how small each fault may be and is still caught: some minutes more
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

from compare.frameworks.records import SIDES
from compare.frameworks.worker import Worker, add_python_options, named_python
from compare.ladder.faults import FAULTS, NO_FAULT
from compare.ladder.run import ALIGN_STEPS, align, check_room_for_full, full_scale, quick_scale
from compare.ladder.rungs import RUNGS, hyphenated, rungs_called
from shared.config.limits import MAX_BITS
from shared.system.errors import EXIT_CHECK_FAILED, UserError, exit_status
from shared.system.files import check_writable
from shared.system.options import Parser, whole


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/align.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument_group("the ladder").add_argument
    add("--bits", type=whole(1, MAX_BITS), default=48, metavar="N", help="code length")
    add("--steps", type=whole(1), default=ALIGN_STEPS, metavar="N", help="float32 steps; float64 takes at least 200")
    add("--full", action="store_true", help="the full-width network too, for a few steps")
    names = ("list", *(hyphenated(rung.name) for rung in RUNGS))
    help_rungs = "run these rungs alone, in this order (quoted, or hyphens for spaces); 'list' shows them"
    add("--rungs", type=hyphenated, nargs="+", choices=names, metavar="NAME", help=help_rungs)
    add("--inject", choices=("list", *FAULTS), metavar="FAULT", help="inject a fault; 'list' shows them")
    add("--smallest-faults", action="store_true", help="then find the smallest size of each fault that is still caught")
    add("--plant", dest="inject", choices=("list", *FAULTS), help=argparse.SUPPRESS)  # its name in older versions
    add("--out", type=Path, default=Path("runs/align"), metavar="DIR", help="folder for align.json")
    add("--alone", choices=SIDES, metavar="FRAMEWORK", help="one framework alone: on --device beside itself on the CPU")
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where both compute")
    add_python_options(machine)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the ladder the command line asks for; exit status 1 when a rung fails."""
    arguments = build_parser().parse_args(argv)
    if arguments.inject == "list":
        _list_faults()
        return
    if "list" in (arguments.rungs or ()):
        _list_rungs()
        return
    rungs = rungs_called(arguments.rungs) if arguments.rungs else RUNGS
    fault = FAULTS.get(arguments.inject, NO_FAULT)
    if fault.rung and fault.rung not in [rung.name for rung in rungs]:
        raise UserError(f"--rungs: expected {hyphenated(fault.rung)} among them, the rung that catches {fault.name}")
    if arguments.alone and (fault.rung or arguments.smallest_faults):
        raise UserError("--alone: expected no fault, which one of two frameworks has; leave --inject and the like out")
    if arguments.smallest_faults and (fault.rung or arguments.rungs):
        raise UserError("--smallest-faults: expected a whole ladder without a fault; leave --inject and --rungs out")
    check_writable(arguments.out)
    if arguments.full and not arguments.rungs:
        check_room_for_full()
    workers = _workers(arguments)
    given = arguments.bits, workers, arguments.device, arguments.out, fault, rungs
    reports = [align(quick_scale(arguments.steps), *given, smallest=arguments.smallest_faults)]
    if arguments.full:
        reports.append(align(full_scale(), *given))
    sizes = [fault for report in reports for fault in report.get("smallest_faults", [])]
    missed = [fault for fault in sizes if fault["size"] and not fault["smallest"]]
    if missed or not all(report["passed"] for report in reports):
        sys.exit(EXIT_CHECK_FAILED)


def _workers(arguments: argparse.Namespace) -> dict[str, Worker]:
    """Of the other side, then of the reference."""
    frameworks = {name: name for name in SIDES}
    if arguments.alone:
        frameworks = {arguments.alone: arguments.alone, f"{arguments.alone} on the CPU": arguments.alone}
    return {side: Worker(name, named_python(arguments, name), threads=1) for side, name in frameworks.items()}


def _list_faults() -> None:
    for fault in FAULTS.values():
        print(f"{fault.name:24} {fault.rung:20} {fault.what}")


def _list_rungs() -> None:
    for rung in RUNGS:
        print(f"{rung.name:20} {', '.join(rung.needs) or '(no request)':28} {rung.shows}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
