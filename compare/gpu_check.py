"""Check a GPU in minutes: doctor, alignment ladder, one short training, speed; one JSON and one page for an issue.

python compare/gpu_check.py                            on the GPU, with whatever frameworks are there
python compare/gpu_check.py --data PATH --minutes 15   the short training on your images; more time
python compare/gpu_check.py --device cpu               the same commands on the CPU
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
from compare.pipeline.gpu_check import check
from shared.system.errors import EXIT_CHECK_FAILED, exit_status
from shared.system.options import Parser, add_device, whole


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/gpu_check.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("--data", metavar="PATH", help="images to train on; default: the digits that are bundled")
    add("--label", default="", metavar="TEXT", help="what the data is called; a copy of CIFAR-10 needs its name here")
    add(
        "--frameworks",
        nargs="+",
        choices=run_order(),
        default=run_order(),
        help="which to check; default: all there are",
    )
    add("--minutes", type=whole(1), default=8, metavar="N", help="for all of it; what does not end by then has failed")
    add("--out", type=Path, default=Path("runs/gpu-check"), metavar="DIR", help="folder for what is written")
    add_device(parser)
    parser.set_defaults(device="cuda")
    add_python_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the checks; SystemExit with status 1 when one fails."""
    if not check(build_parser().parse_args(argv)):
        sys.exit(EXIT_CHECK_FAILED)


if __name__ == "__main__":
    sys.exit(exit_status(main))
