"""Train and score GreedyHash in both frameworks and print the paper-vs-PyTorch-vs-Paddle table.

python compare/benchmark.py                      the demo: bundled digits, a few minutes on a laptop
python compare/benchmark.py --preset cpu         real CIFAR-10, 5 epochs, for a machine without a GPU
python compare/benchmark.py --preset paper       the published protocol, for a GPU
"""

import argparse
import dataclasses
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product
from pathlib import Path

from compare.align import ALIGN_STEPS, align, quick_scale
from compare.execution.cells import LocalExecutor, parse_cell
from compare.execution.cluster import LOCAL, RayExecutor
from compare.execution.follow import FollowingSuite
from compare.execution.suite import Executor, Suite, read_backbone
from compare.table import ALIGN_FILE, write_table
from compare.worker import NAMES, Worker, add_python_options
from shared import cifar
from shared.arithmetic import PRECISIONS, Arithmetic
from shared.download import fetch_cifar10
from shared.errors import EXIT_CHECK_FAILED, UserError, WorkerDied, exit_status
from shared.files import make_folder, read_json
from shared.launch import check_counts, make_layout
from shared.machine import num_threads
from shared.progress import Progress, make_progress
from shared.recipe import PRESETS, Recipe
from shared.runs import FRAMEWORKS

_CIFAR_PROTOCOLS = [name for name in cifar.PROTOCOLS if name.startswith("cifar10")]


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/benchmark.py``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--preset", choices=("auto", *PRESETS), default="auto", help="auto: paper with a GPU, demo without")
    add("--bits", type=int, nargs="+", default=[12, 24, 32, 48], metavar="N", help="code lengths")
    add("--frameworks", nargs="+", choices=FRAMEWORKS, default=list(FRAMEWORKS))
    add("--seeds", type=int, nargs="+", default=[2000], metavar="N", help="one run per seed; the mean is shown")
    add("--data", metavar="PATH|download", help="CIFAR-10 in a supported layout; default: download once")
    add("--protocol", choices=_CIFAR_PROTOCOLS, help="default: cifar10-1, the paper's CIFAR-10 (I)")
    add("--backbone-weights", metavar="imagenet|none|FILE", help="what AlexNet starts from; default: imagenet")
    add("--epochs", type=int, metavar="N")
    add("--eval-every", type=int, metavar="N", help="score every N epochs; 0: after the last only")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--devices", type=int, default=1, metavar="N", help="GPUs, or processes on a CPU, that train a run together")
    add("--nodes", type=int, default=1, metavar="M", help="machines that do; give the same command on each")
    add("--dropout", choices=("shared", "native"), default="shared", help="native: each framework's own masks")
    add("--precision", choices=PRECISIONS, default="fp32", help="of training and encoding; tf32 and bf16 need a GPU")
    add("--margin", type=float, metavar="D", help="difference of mAP that does not matter, for the verdict over seeds")
    add("--deterministic", action="store_true", help="the same bits again, where the framework can")
    add_python_options(parser)
    add("--out", type=Path, metavar="DIR", help="default: runs/PRESET")
    add("--force", action="store_true", help="replace runs made with another recipe")
    add("--cell", type=parse_cell, metavar="FRAMEWORK:BITS:SEED", help="one run alone, for batch schedulers; no table")
    add(
        "--executor", choices=("local", "ray"), default="local", help="ray: runs at once, on the nodes of a Ray cluster"
    )
    add("--ray-address", metavar="HOST:PORT|auto", help="default: $RAY_ADDRESS, else a Ray on this machine")
    add("--cell-cpus", type=int, metavar="N", help="threads of one run; default: $OMP_NUM_THREADS, else all cores here")
    add("--skip-align", action="store_true", help="leave out the quick alignment ladder that runs first")
    return parser


def main() -> None:
    """Run what the command line asks for: a suite, or one of its cells."""
    arguments = build_parser().parse_args()
    progress = make_progress("auto")
    _check_grid(arguments)
    with closing(progress), closing(_executor(arguments)) as executor:
        suite = plan(arguments, executor, progress)
        if arguments.cell:
            suite.run_cell(arguments.cell, executor, progress)
            print(f"{arguments.cell} is finished; when all are, the same command without --cell writes the table")
            return
        if isinstance(suite, FollowingSuite):
            suite.run(executor, progress)
            return
        aligned = arguments.skip_align or _align(suite, arguments.executor, progress)
        _run(suite, executor, progress)
    if not aligned:
        print("a rung of the alignment ladder failed: the two frameworks do not compute the same", file=sys.stderr)
        sys.exit(EXIT_CHECK_FAILED)


def _run(suite: Suite, executor: Executor, progress: Progress) -> None:
    """Run the suite; the table and the report are written even when a run fails."""
    try:
        suite.run(executor, progress)
    except (WorkerDied, KeyboardInterrupt):
        _show(suite.out)
        raise
    _show(suite.out)


def _show(out: Path) -> None:
    from compare.report import write_report

    print(f"\n{write_table(out)}\n\nwritten to {out}/table.md, table.csv and table.json", flush=True)
    print(f"the same with figures: {write_report(out)}")


def _executor(arguments: argparse.Namespace) -> Executor:
    if arguments.executor == "local":
        return LocalExecutor()
    address = arguments.ray_address or os.environ.get("RAY_ADDRESS", LOCAL)
    return RayExecutor(address, arguments.device, arguments.cell_cpus or num_threads())


def _align(suite: Suite, executor: str, progress: Progress) -> bool:
    """Climb the quick ladder, here, unless it passed in this folder and nothing is left to train."""
    report = suite.out / ALIGN_FILE
    if len(suite.workers) < len(FRAMEWORKS):
        progress.note("alignment ladder: left out, since it compares two frameworks")
        return True
    if report.exists() and suite.is_finished() and read_json(report)["passed"]:
        return True
    workers = {worker.framework: dataclasses.replace(worker, threads=1) for worker in suite.workers}
    # a GPU that the nodes have may be missing here
    device = "cuda" if set(suite.devices.values()) == {"cuda"} and executor == "local" else "cpu"
    return align(quick_scale(ALIGN_STEPS), suite.bits[-1], workers, device, suite.out)["passed"]


def plan(arguments: argparse.Namespace, executor: Executor, progress: Progress) -> Suite:
    """Check everything that can be wrong before training starts, and gather what the runs share."""
    workers = {name: _worker(name, arguments) for name in FRAMEWORKS}
    asked = [arguments.cell.framework] if arguments.cell else arguments.frameworks
    facts, unavailable = _probe([workers[name] for name in asked], executor)
    preset = _choose_preset(arguments.preset, any(fact["gpu"] for fact in facts.values()))
    for name, reason in unavailable.items():
        progress.note(f"{NAMES[name]} is left out: {reason}")
    recipe = _recipe(arguments, preset)
    for bits, seed in product(arguments.bits, arguments.seeds):
        dataclasses.replace(recipe, bits=bits, seed=seed)  # refuses what is out of range
    devices = {name: _device(name, arguments.device, fact["gpu"]) for name, fact in facts.items()}
    for name, device in devices.items():
        Arithmetic(recipe.precision).check(device)
        check_counts(arguments.devices, arguments.nodes, facts[name]["gpus"] if device == "cuda" else None)
    layout = make_layout(arguments.devices, arguments.nodes)
    out = make_folder(arguments.out or Path("runs") / preset)
    data = _data(arguments.data, preset, progress)
    dataset = cifar.load(data)
    recipe = dataclasses.replace(recipe, dataset=dataset.name, data_sha256=dataset.digest())
    recipe, backbone = read_backbone(arguments.backbone_weights or recipe.backbone, recipe, workers["torch"])
    kind = FollowingSuite if layout.node else Suite
    return kind(
        out=out,
        recipe=recipe,
        bits=sorted(arguments.bits),
        seeds=arguments.seeds,
        workers=[workers[name] for name in facts],
        devices=devices,
        unavailable=unavailable,
        dataset=dataset,
        data=data if data == cifar.DIGITS else os.path.abspath(data),  # a node's working folder is another
        backbone=backbone,
        force=arguments.force,
        train_options=_train_options(arguments),
    )


def _train_options(arguments: argparse.Namespace) -> tuple[str, ...]:
    counts = ("--devices", str(arguments.devices), "--nodes", str(arguments.nodes))
    return (*counts, "--deterministic") if arguments.deterministic else counts


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
    if arguments.cell_cpus is not None and arguments.cell_cpus < 1:
        raise UserError(f"--cell-cpus: expected at least 1, received {arguments.cell_cpus}")
    if arguments.executor == "ray" and (arguments.devices, arguments.nodes) != (1, 1):
        raise UserError("--devices and --nodes: expected 1 with --executor ray, whose runs have one device each")


def _worker(framework: str, arguments: argparse.Namespace) -> Worker:
    python = getattr(arguments, f"{framework}_python")
    threads = arguments.cell_cpus or (None if arguments.executor == "local" else num_threads())
    threads = threads and max(1, threads // max(1, arguments.devices))
    # absolute for the same reason, but no link followed: a virtual environment's interpreter is one
    return Worker(framework, os.path.abspath(python) if os.sep in python else python, threads)


def _probe(workers: list[Worker], executor: Executor) -> tuple[dict[str, dict], dict[str, str]]:
    """What each usable framework says of itself, and why the others cannot be used."""
    facts, unavailable = {}, {}
    with ThreadPoolExecutor() as pool:
        futures = {worker.framework: pool.submit(executor.info, worker) for worker in workers}
    for name, future in futures.items():
        try:
            facts[name] = future.result()
        except (UserError, WorkerDied) as error:
            unavailable[name] = str(error)
    if not facts:
        raise UserError("no framework can be used: " + "; ".join(unavailable.values()))
    return facts, unavailable


def _choose_preset(choice: str, gpu: bool) -> str:
    preset = choice if choice != "auto" else "paper" if gpu else "demo"
    reason = (
        ""
        if choice != "auto"
        else ", chosen because a framework sees a GPU"
        if gpu
        else ", chosen because no framework sees a GPU"
    )
    other = "demo" if preset == "paper" else "paper"
    print(f"PRESET {preset.upper()}{reason}. For the other: python compare/benchmark.py --preset {other}", flush=True)
    return preset


def _recipe(arguments: argparse.Namespace, preset: str) -> Recipe:
    base = PRESETS[preset]
    if preset == "demo":
        for name in ("data", "protocol", "backbone_weights"):
            if getattr(arguments, name) not in (None, "none"):
                option = f"--{name.replace('_', '-')}"
                raise UserError(
                    f"{option} goes with --preset cpu or paper; the demo has its own digits and random weights"
                )
    chosen = {
        name: getattr(arguments, name)
        for name in ("protocol", "epochs", "eval_every", "dropout", "precision", "margin")
    }
    return dataclasses.replace(base, **{name: value for name, value in chosen.items() if value is not None})


def _device(framework: str, choice: str, gpu: bool) -> str:
    if choice == "cuda" and not gpu:
        raise UserError(
            f"--device cuda: expected an NVIDIA GPU that {NAMES[framework]} can use, found none; use --device cpu"
        )
    return ("cuda" if gpu else "cpu") if choice == "auto" else choice


def _data(choice: str | None, preset: str, progress: Progress) -> str:
    if preset == "demo":
        return cifar.DIGITS
    return str(fetch_cifar10(progress)) if choice in (None, "download") else choice


if __name__ == "__main__":
    sys.exit(exit_status(main))
