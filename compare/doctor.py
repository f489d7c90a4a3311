"""Look at this machine before a benchmark: frameworks, cards, driver, memory, disk, data, and a forecast of the time.

python compare/doctor.py                        every finding with its remedy; exit status 1 when one is a fault
python compare/doctor.py --preset cpu --json    the same for another preset, as JSON
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from compare.diagnosis.examine import examine
from compare.diagnosis.findings import as_json, conclusion, has_fault
from compare.frameworks.records import run_order
from compare.frameworks.worker import add_python_options
from compare.suite.settings import add_recipe_option, add_set_option, add_split_options
from shared.config.recipe import PRESETS
from shared.system.errors import EXIT_CHECK_FAILED, exit_status
from shared.system.options import Parser, add_device
from shared.system.progress import make_progress


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/doctor.py``, which are those of benchmark.py."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("--preset", choices=("auto", *PRESETS), default="auto", help="auto: paper with a GPU, demo without")
    add("--frameworks", nargs="+", choices=run_order(), default=run_order(), help="which are to run")
    add("--data", metavar="PATH|download", help="the images of the benchmark; default: CIFAR-10, downloaded once")
    add("--label", default="", metavar="TEXT", help="what the data is called; a copy of CIFAR-10 needs its name here")
    add_split_options(parser)
    add_set_option(parser)
    add_recipe_option(parser)
    add("--backbone-weights", metavar="imagenet|imagenet-conv|none|FILE", help="AlexNet's start; default: the preset's")
    add("--out", type=Path, metavar="DIR", help="the benchmark's folder; default: runs/PRESET")
    add("--json", action="store_true", help="findings as one JSON object on stdout")
    add_device(parser)
    add_python_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Print the findings; SystemExit with status 1 when one is a fault."""
    arguments = build_parser().parse_args(argv)
    progress = make_progress("auto")
    with closing(progress):
        findings = examine(arguments, progress)
    if arguments.json:
        print(json.dumps({"findings": as_json(findings), "fault": has_fault(findings)}))
    else:
        print("\n".join(map(str, findings)))
        print(conclusion(findings))
    if has_fault(findings):
        sys.exit(EXIT_CHECK_FAILED)


if __name__ == "__main__":
    sys.exit(exit_status(main))
