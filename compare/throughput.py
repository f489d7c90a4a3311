"""Measure both frameworks side by side in one run: training, encoding, and everything around them.

python compare/throughput.py                           the published network at 224 px; five minutes on two cores
python compare/throughput.py --px 64 --width demo      the demo's network; a minute
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
from shared.config.arithmetic import PRECISIONS
from shared.config.kernels import NATIVE
from shared.config.recipe import PRESETS
from shared.system.errors import exit_status
from shared.system.options import Parser, add_device, whole
from shared.system.start import ends_at_once

_WIDTHS = {"full": 1.0, "demo": PRESETS["demo"].width}


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/throughput.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument_group("what to measure").add_argument
    add("--frameworks", nargs="+", choices=run_order(), default=run_order(), help="which to measure")
    add("--px", type=int, default=224, metavar="N", help="side of the network's input")
    add("--width", choices=_WIDTHS, default="full", help="of AlexNet")
    add("--precision", choices=PRECISIONS, default="fp32", help="tf32 and bf16 need a GPU")
    kernels_help = "others than native, beside native ones: shared, native+FAMILY..., shared-FAMILY..."
    add("--kernels", default=NATIVE, metavar="native|shared|...", help=kernels_help)
    add("--rounds", type=whole(1), default=5, metavar="N", help="measurements of each, in turn")
    add("--data", metavar="PATH", help="images to use; default: noise, whose values do not matter for speed")
    out_help = "a suite's folder puts it in its report"
    add("--out", type=Path, default=Path("runs/throughput"), metavar="DIR", help=out_help)
    machine = parser.add_argument_group("the machine")
    add_device(machine)
    add_python_options(machine)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write it with figure and raw numbers."""
    arguments = build_parser().parse_args(argv)
    with ends_at_once():  # matplotlib, which no wrong option waits for
        from compare.speed.throughput import measure_and_write

    arguments.width = _WIDTHS[arguments.width]
    measure_and_write(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
