"""Serve a page that shows what both frameworks of a suite say of a picture: class, code and the ten nearest images.

python compare/serve.py OUT      OUT is a folder of benchmark.py with a finished run

The page is for this machine alone unless --host says otherwise. Ctrl-C ends it.
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "shared" / "entry.py"))

import argparse
import signal
import socket
import sys
from collections import defaultdict
from contextlib import ExitStack, closing
from typing import NoReturn

from compare.search.neighbours import index_codes
from compare.search.run_queries import FinishedRun, open_run
from compare.serving.answering import Answerer
from compare.serving.lookup import Lookup, Side
from compare.worker import NAMES, Worker, add_python_options
from shared.errors import UserError, exit_status
from shared.exported import needs
from shared.machine import num_threads
from shared.options import Parser
from shared.runs import Run, finished_runs

# as in the report
_ORDER = ("torch", "paddle")
_SECONDS_TO_FINISH = 5


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


def main() -> None:
    """Serve until SIGINT or SIGTERM, either of which ends everything with status 0."""
    arguments = build_parser().parse_args()
    needs("starlette", "uvicorn", "faiss", extra="serve")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    with ExitStack() as stack:
        listener = stack.enter_context(listen(arguments.host, arguments.port))
        _serve(open_lookup(arguments, stack), listener, arguments.host)


def choose_runs(out: Path, bits: int | None, seed: int | None) -> dict[str, Run]:
    """The finished runs to serve, by framework: of one length and seed, which as many frameworks as possible have.

    Of several such the longest codes, then the lowest seed. Raises UserError when there is none.
    """
    cells: dict[tuple[int, int], dict[str, Run]] = defaultdict(dict)
    for run in finished_runs(out):
        recipe = run.recipe()
        cells[recipe.bits, recipe.seed][run.folder.parent.name] = run
    wanted = [cell for cell in cells if bits in (None, cell[0]) and seed in (None, cell[1])]
    if not wanted:
        found = ", ".join(f"{b} bits with seed {s}" for b, s in sorted(cells)) or "none"
        asked = " ".join(f"--{name} {value}" for name, value in (("bits", bits), ("seed", seed)) if value is not None)
        raise UserError(f"{out}: expected a finished run {asked}".rstrip() + f", found {found}; see benchmark.py --out")
    return cells[max(wanted, key=lambda cell: (len(cells[cell]), cell[0], -cell[1]))]


def open_lookup(arguments: argparse.Namespace, stack: ExitStack) -> Lookup:
    """Images, codes and workers of the chosen runs; ``stack`` ends the workers.

    Raises UserError when the images are not those of the runs, and when no framework can be asked.
    """
    runs = _open_runs(arguments)
    first = next(iter(runs.values()))
    dataset, bits, seed = first.dataset, first.recipe.bits, first.recipe.seed
    sides, missing = [], {name: f"no finished run with {bits} bits, seed {seed}" for name in _ORDER if name not in runs}
    for framework, run in runs.items():
        worker = Worker(framework, getattr(arguments, f"{framework}_python"), max(1, num_threads() // len(runs)))
        try:
            sides.append(_open_side(worker, run, arguments.device, stack))
        except UserError as error:
            if worker.named:
                raise
            missing[framework] = str(error)
    if not sides:
        raise UserError("; ".join(f"{NAMES[name]}: {reason}" for name, reason in missing.items()))
    return Lookup(bits, seed, dataset, first.codes.index[: first.codes.num_queries], sides, missing)


def _open_runs(arguments: argparse.Namespace) -> dict[str, FinishedRun]:
    """The chosen runs by framework, which must be of the same images."""
    out = arguments.out or arguments.run
    if out is None:
        raise UserError("expected OUT, the folder of a suite of benchmark.py, received none")
    chosen = choose_runs(out, arguments.bits, arguments.seed)
    runs = {name: open_run(chosen[name].folder, arguments.data) for name in _ORDER if name in chosen}
    if len({run.recipe.data_sha256 for run in runs.values()}) > 1:
        raise UserError(f"{out}: expected runs of the same images, received runs of different ones")
    return runs


def _open_side(worker: Worker, run: FinishedRun, device: str, stack: ExitStack) -> Side:
    words = ["--checkpoint", str(run.run.checkpoint_file), "--data", run.data, "--device", device]
    database = index_codes(run.codes, run.run.codes_file)
    return Side(worker.framework, stack.enter_context(closing(Answerer(worker, words))), database)


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; UserError when it cannot."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"expected --host and --port that are free here, received {host} and {port}: {reason}; "
            "--port 0 takes any free port"
        ) from error


def _serve(lookup: Lookup, listener: socket.socket, host: str) -> None:
    import uvicorn
    from PIL import Image

    from compare.serving.app import MAX_PIXELS, is_loopback, make_app

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    app = make_app(lookup, host)
    for framework, reason in lookup.missing.items():
        print(f"{NAMES[framework]} is left out: {reason}")
    if not is_loopback(host):
        print(f"warning: --host {host}: whoever reaches this machine can use the page; there is no password")
    name = f"[{host}]" if ":" in host else host
    print(
        f"http://{name}:{listener.getsockname()[1]}/ shows {lookup.bits} bits, seed {lookup.seed}; Ctrl-C ends it",
        flush=True,
    )
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _stop(*_: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(exit_status(main))
