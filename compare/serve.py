"""Serve a page that shows what both frameworks of a suite say of a picture: class, code and the ten nearest images.

python compare/serve.py OUT      OUT is a folder of benchmark.py with a finished run

The page is for this machine alone unless --host says otherwise. Ctrl-C ends it.
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from compare.frameworks.worker import add_python_options
from shared.system.errors import exit_status
from shared.system.options import Parser
from shared.worker.exported import needs


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/serve.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("out", type=Path, nargs="?", metavar="OUT", help="folder of a suite")
    add("--run", type=Path, metavar="OUT", help=argparse.SUPPRESS)  # as OUT was given at first
    add("--bits", type=int, metavar="B", help="code length; default: the longest that both frameworks finished")
    add("--seed", type=int, metavar="S", help="default: the lowest that both frameworks finished")
    add("--data", metavar="PATH", help="images of the suite; default: where its runs found them")
    add("--host", default="127.0.0.1", help="address to listen at; default: this machine only")
    add("--port", type=int, default=8000, metavar="N", help="0: any free one")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add_python_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, either of which ends everything with status 0."""
    arguments = build_parser().parse_args(argv)
    needs("starlette", "uvicorn", "faiss", extra="serve")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    # imported here, since the processes that decode pictures import this file too, and need none of these
    from compare.serving.open_lookup import open_lookup
    from compare.serving.server import listen, serve

    # no process may import a file of the current folder that is named like a module
    os.environ["PYTHONSAFEPATH"] = "1"
    with ExitStack() as stack:
        listener = stack.enter_context(listen(arguments.host, arguments.port))
        serve(open_lookup(arguments, stack), listener, arguments.host)


def _stop(*_: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(exit_status(main))
