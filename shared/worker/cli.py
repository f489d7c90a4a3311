"""The command line of both workers: one parser, so verbs, options, defaults and output keys are the same."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.checkpoint import weights
from shared.checkpoint.checkpoint import open_checkpoint, with_classifier
from shared.checkpoint.names import CLASSIFIER
from shared.codes.codes import Codes
from shared.config.arithmetic import Arithmetic
from shared.config.kernels import check_kernels
from shared.config.recipe import Recipe
from shared.scoring.code_scores import map_scores
from shared.system.errors import UserError, exit_status
from shared.system.files import check_links, check_target, folder_lock, write_json
from shared.system.options import WorkerParser, add_device, whole
from shared.system.progress import MODES, Progress, make_progress
from shared.system.start import ends_at_once
from shared.training.departures import departures
from shared.training.job import encode
from shared.training.launch import adopt_channel, check_counts, make_layout, module_arguments, run_ranks
from shared.training.open_job import load_data, open_job
from shared.training.ranks import ALONE, Ranks
from shared.training.runs import LOGGERS, Run
from shared.worker import checkpoint_verbs
from shared.worker.bench import Stopwatch, answer_phases
from shared.worker.contract import Implementation
from shared.worker.device_proof import check_device
from shared.worker.info import describe
from shared.worker.loggers import check_logger

_WAIT_FOR_ORPHAN_SECONDS = 30.0
_AS_RANK = "--as-rank"


def run_worker(program: str, framework_name: str, load: Callable[[], Implementation]) -> None:
    """Parse the command line, import the framework with ``load``, run the verb and exit with its status."""
    status = exit_status(lambda: _run(build_parser(program).parse_args(), framework_name, load))
    if _AS_RANK in sys.argv:
        # the interpreter's end would race with gloo's threads that still hold tensors (PyTorch's pull request 179291)
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


def build_parser(program: str) -> argparse.ArgumentParser:
    """The parser of ``python -m <program>``."""
    parser = WorkerParser(prog=f"python -m {program}", description="One framework's side of the comparison.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
    train = verbs.add_parser("train", help="train the run whose recipe.json lies in a run folder, and score it")
    add_run = train.add_argument_group("the run").add_argument
    add_run("--run", type=Path, required=True, metavar="DIR", help="run folder holding recipe.json")
    add_run("--initial-weights", type=Path, metavar="FILE", help="neutral weights to start from")
    help_resume = "go on from a checkpoint of either framework, in any form convert.py reads"
    add_run("--resume-from", type=Path, metavar="FILE", help=help_resume)
    best_help = "keep the weights of the best-scoring epoch, too, in best.safetensors; it is chosen on the queries"
    add_run("--keep-best", action="store_true", help=best_help)
    train.set_defaults(logger=None)
    if loggers := [name for name, worker in LOGGERS.items() if worker == program]:
        add_run("--logger", choices=loggers, help="write its log, too, in a folder of its name in the run's")
    machine = train.add_argument_group("the machine")
    add = machine.add_argument
    add("--devices", type=whole(1), default=1, metavar="N", help="processes that train together, one a GPU")
    add("--nodes", type=whole(1), default=1, metavar="M", help="machines with N each, which share --run")
    add("--deterministic", action="store_true", help="the same bits again, where the framework can")
    add(_AS_RANK, action="store_true", help=argparse.SUPPRESS)  # how the ranks are started
    encode_verb = verbs.add_parser("encode", help="write the codes of a checkpoint")
    encode_verb.add_argument("--out", type=Path, required=True, metavar="FILE", help=".npz file to write")
    evaluate = verbs.add_parser("eval", help="print mAP and accuracy of a checkpoint as JSON")
    checkpoint_verbs.add_verbs(verbs, program)
    info = verbs.add_parser("info", help="print framework, device, versions and a checkpoint's origin as JSON")
    info.add_argument("--checkpoint", type=Path, metavar="FILE", help="trained checkpoint to describe")
    probe = verbs.add_parser("probe", help="answer the alignment ladder's requests")
    probe.add_argument("files", type=Path, nargs="+", metavar="FILE", help="request files")
    probe.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the answers")
    bench = verbs.add_parser("bench", help="time the phases named on stdin, for compare/throughput.py")
    bench.add_argument("--run", type=Path, required=True, metavar="DIR", help="run folder; nothing is written")
    bench.add_argument("--initial-weights", type=Path, required=True, metavar="FILE", help="weights to start from")
    for verb in (encode_verb, evaluate):
        verb.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help=checkpoint_verbs.CHECKPOINT)
    for add in (add_run, encode_verb.add_argument, evaluate.add_argument, bench.add_argument):
        add("--data", required=True, metavar="PATH", help="'digits' or a path to CIFAR-10 in a supported layout")
    for verb in (machine, encode_verb, evaluate, info, probe, bench):
        add_device(verb)
    for verb in (train, encode_verb, evaluate):
        verb.add_argument("--progress", choices=MODES, default="auto", help="json is for a parent process")
    return parser


def _run(arguments: argparse.Namespace, framework_name: str, load: Callable[[], Implementation]) -> None:
    # a rank knows its device when it has joined the others, and info tells of one that does not compute
    has_ranks = arguments.verb == "train" and (arguments.as_rank or arguments.devices * arguments.nodes > 1)
    start = partial(_start, framework_name, load, not (has_ranks or arguments.verb == "info"))
    if "use" in arguments:
        arguments.use(arguments, start)
        return
    if arguments.verb == "train":
        _check_train(arguments)
    if arguments.verb == "encode":
        check_target(arguments.out)
    implementation, device = start(_arithmetic(arguments), arguments.device)
    if arguments.verb == "info":
        _info(arguments, framework_name, implementation, device)
        return
    if arguments.verb == "probe":
        implementation.probe(arguments.files, arguments.out, device)
        return
    if arguments.verb == "bench":
        _bench(arguments, implementation, device)
        return
    if arguments.verb == "train" and arguments.as_rank:
        adopt_channel()
    progress = make_progress(arguments.progress)
    try:
        {"train": _train, "encode": _encode, "eval": _eval}[arguments.verb](arguments, implementation, device, progress)
    finally:
        progress.close()


def _start(
    framework_name: str, load: Callable[[], Implementation], is_proved: bool, arithmetic: Arithmetic, device: str
) -> tuple[Implementation, str]:
    """The framework, imported with its arithmetic pinned, and the device it found, which ``is_proved`` to compute."""
    arithmetic.pin()
    try:
        with ends_at_once():
            implementation = load()
    except ImportError as error:
        raise UserError(f"{framework_name} cannot be imported by {sys.executable}: {error}") from error
    resolved = implementation.runtime.resolve_device(device)
    arithmetic.check(resolved)
    if is_proved:
        check_device(framework_name, implementation.device, resolved)
    return implementation, resolved


def _arithmetic(arguments: argparse.Namespace) -> Arithmetic:
    """That of the recipe in question, before the framework is imported; the ladder's is always fp32."""
    if arguments.verb == "train":
        return Arithmetic(Run(arguments.run).recipe().precision, arguments.deterministic)
    if arguments.verb == "bench":
        return Arithmetic(Run(arguments.run).recipe().precision)
    if arguments.verb in ("encode", "eval"):
        return Arithmetic(open_checkpoint(arguments.checkpoint)[0].precision)
    return Arithmetic()


def _check_train(arguments: argparse.Namespace) -> None:
    """Check what can be wrong before the framework is imported."""
    if arguments.initial_weights is None and arguments.resume_from is None:
        raise UserError("expected --initial-weights or --resume-from, received neither")
    if arguments.logger:
        check_logger(arguments.logger)
    check_links(arguments.run)
    if not arguments.as_rank:  # a rank's launcher need not pass these variables on
        make_layout(arguments.devices, arguments.nodes)


def _train(arguments: argparse.Namespace, implementation: Implementation, device: str, progress: Progress) -> None:
    parallel = implementation.parallel
    check_kernels(Run(arguments.run).recipe().kernels, device, arguments.devices * arguments.nodes)
    check_counts(arguments.devices, arguments.nodes, parallel.count_gpus() if device == "cuda" else None)
    if arguments.as_rank:
        ranks = parallel.join(device)
        check_device(f"rank {ranks.rank}", implementation.device, device)
        _fit(arguments, implementation, device, progress, ranks)
    elif arguments.devices * arguments.nodes == 1:
        _fit(arguments, implementation, device, progress, ALONE)
    else:
        layout = make_layout(arguments.devices, arguments.nodes)
        options = [*sys.argv[1:], _AS_RANK, "--device", device, "--progress", "json"]
        command = module_arguments(implementation.runtime.__package__, options)
        if layout.nodes > 1:
            progress.note(f"  meeting the ranks of {layout.nodes} nodes at {layout.address}:{layout.port}")
        with TemporaryDirectory() as scratch:
            run_ranks(parallel.commands(command, layout, device, Path(scratch)), layout.devices, progress)


def _fit(
    arguments: argparse.Namespace, implementation: Implementation, device: str, progress: Progress, ranks: Ranks
) -> None:
    environment = _environment(implementation, device, arguments.devices, arguments.nodes)
    # a worker whose parent was killed may need a moment to end
    lock = folder_lock(arguments.run, wait_seconds=_WAIT_FOR_ORPHAN_SECONDS)
    shown = progress if ranks.is_first else Progress()
    with lock if ranks.is_first else nullcontext():
        # another process may have finished it while this one waited
        if ranks.gather(ranks.is_first and Run(arguments.run).is_finished())[0]:
            shown.note("  finished already: nothing is left to train")
            return
        sources = (arguments.initial_weights, arguments.resume_from)
        extras = (arguments.keep_best, arguments.logger)
        job = open_job(arguments.run, arguments.data, *sources, device, environment, shown, ranks, *extras)
        if ranks.is_first:
            origin = job.start and job.start.origin()
            write_json(job.run.environment_file, environment | {"resumed_from": origin, "data": arguments.data})
        implementation.fit(job)


def _environment(implementation: Implementation, device: str, devices: int, nodes: int) -> dict:
    environment = implementation.runtime.environment(device) | {"devices": devices, "nodes": nodes}
    if devices * nodes > 1:
        environment["device_name"] += f", {devices * nodes} processes"
    return environment


def _encode(arguments: argparse.Namespace, implementation: Implementation, device: str, progress: Progress) -> None:
    codes, _ = _codes_of(arguments, implementation, device, progress)
    codes.save(arguments.out)


def _eval(arguments: argparse.Namespace, implementation: Implementation, device: str, progress: Progress) -> None:
    codes, recipe = _codes_of(arguments, implementation, device, progress)
    if codes.accuracy() is None:
        progress.note(f"{arguments.checkpoint} holds no classifier: what classes it predicts is not known")
    scores = map_scores(codes, argsort=not departures(recipe), topk=recipe.topk)
    print(json.dumps({"map": scores, "accuracy": codes.accuracy()}, allow_nan=False))


def _info(arguments: argparse.Namespace, framework_name: str, implementation: Implementation, device: str) -> None:
    description, device = describe(framework_name, implementation, device, is_named=arguments.device == "cuda")
    description["environment"] = _environment(implementation, device, 1, 1)
    if arguments.checkpoint:
        recipe, arrays, metadata = open_checkpoint(arguments.checkpoint)
        origin = {name: metadata.get(name) for name in ("framework", "epoch")} | {"sha256": weights.digest(arrays)}
        description["checkpoint"] = {**origin, "recipe": json.loads(metadata["recipe"]), "bits": recipe.bits}
    print(json.dumps(description))


def _bench(arguments: argparse.Namespace, implementation: Implementation, device: str) -> None:
    environment = _environment(implementation, device, 1, 1)
    sources = (arguments.data, arguments.initial_weights, None)
    job = open_job(arguments.run, *sources, device, environment, Progress(), ALONE)
    answer_phases(Stopwatch(implementation.bench(job), len(job.dataset.labels)), environment)


def _codes_of(
    arguments: argparse.Namespace, implementation: Implementation, device: str, progress: Progress
) -> tuple[Codes, Recipe]:
    recipe, arrays, _ = open_checkpoint(arguments.checkpoint)
    dataset, split = load_data(recipe, arguments.data, progress)
    network = implementation.convert.from_neutral(recipe, with_classifier(recipe, arrays), device)
    images = implementation.device_images(dataset, recipe.input_px, device)
    codes = encode(
        lambda index: implementation.encode.encode_images(network, images, index, progress), dataset, split
    ).codes
    if warning := codes.collapse:
        progress.note(f"warning: {warning}")
    return codes if CLASSIFIER in arrays else codes.without_classes(), recipe
