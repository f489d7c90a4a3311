"""Convert a checkpoint between PyTorch, Lightning, Paddle and the neutral form, or show what is in it.

python compare/convert.py SRC DST          SRC's format is told by suffix, content and names, DST's by suffix
python compare/convert.py SRC --inspect    names, shapes, dtypes, statistics and the digest of SRC
python compare/convert.py SRC DST.safetensors --recipe paper --data PATH
                                           somebody else's weights, for the workers' eval, predict, encode and export
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "shared" / "system" / "entry.py"))

import argparse
import dataclasses
import json
import sys

import numpy as np

from compare.worker import Worker, add_python_options
from shared.checkpoint import checkpoint, weights
from shared.checkpoint.checkpoint import KINDS, Checkpoint, read_checkpoint
from shared.checkpoint.formats import SUFFIXES
from shared.checkpoint.names import CLASSIFIER, DEEPHASH, FAMILIES, OURS, TITLES, spelled
from shared.checkpoint.paddle_files import PaddleState, write_paddle
from shared.config.recipe import MAX_BITS, PRESETS
from shared.data import cifar
from shared.readers.trees import listed
from shared.system.errors import UserError, exit_status, printable
from shared.system.files import scratch_beside
from shared.system.options import Parser, whole

# suffix of DST -> the families of names it may be written under, and the facts it can hold
_STATE_DICT = ((OURS, "greedyhash", DEEPHASH), ())
_ALL_FACTS = ("momentum", "epoch", "rate", "recipe", "framework")
_TARGETS = {
    ".safetensors": ((OURS,), _ALL_FACTS),
    ".ckpt": ((OURS,), _ALL_FACTS),
    ".pt": _STATE_DICT,
    ".pth": _STATE_DICT,
    ".pkl": _STATE_DICT,
    ".pdparams": ((OURS, "paddle_greedyhash"), _ALL_FACTS),
}


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/convert.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("source", type=Path, metavar="SRC", help=f"a checkpoint: {', '.join(SUFFIXES)}")
    add("target", type=Path, metavar="DST", nargs="?", help=f"file to write: {', '.join(_TARGETS)}")
    add("--bits", type=whole(1, MAX_BITS), metavar="N", help="the code length SRC must have")
    add("--key", default="", metavar="NAME", help="which of several networks in SRC, by the entry it lies under (a.b)")
    add("--names", choices=FAMILIES, default=OURS, help="what to call the parameters in a .pt or .pdparams DST")
    text = (
        "with --names deephash: write fc.weight too, which DeepHash-pytorch keeps in its loss and its network refuses"
    )
    add("--with-classifier", action="store_true", help=text)
    add("--recipe", choices=PRESETS, help="what SRC was trained by, to be kept in DST, if SRC does not say it")
    add("--data", metavar="PATH", help="with --recipe: the images it was trained on; default: the bundled digits")
    add("--label", default="", metavar="TEXT", help="with --data: what it is; a copy of CIFAR-10 is named as one here")
    add("--inspect", action="store_true", help="show what is in SRC")
    add_python_options(parser, ["torch"])
    return parser


def main() -> None:
    """Convert or inspect as the command line asks."""
    arguments = build_parser().parse_args()
    if arguments.target is None and not arguments.inspect:
        raise UserError("expected DST, a file to write, or --inspect; received neither")
    if (arguments.data or arguments.label) and not arguments.recipe:
        raise UserError("--data and --label: expected --recipe beside them, which records what they say")
    found = read_checkpoint(arguments.source, arguments.bits, need_classifier=False, key=arguments.key)
    if arguments.inspect:
        print(inspect(found))
    if arguments.recipe:
        found = with_recipe(found, arguments.recipe, arguments.data or cifar.DIGITS, arguments.label)
    if arguments.target:
        check_target(arguments.source, arguments.target, found, arguments.names)
        if arguments.with_classifier and arguments.names != DEEPHASH:
            raise UserError(f"--with-classifier: expected --names {DEEPHASH}, which alone does without it")
        if arguments.names == DEEPHASH and not arguments.with_classifier:
            found = without_classifier(found)
        write(arguments.target, found, arguments.names, Worker("torch", arguments.torch_python))
        print(_summary(arguments.target, found, arguments.names))


def with_recipe(found: Checkpoint, preset: str, data: str, label: str = "") -> Checkpoint:
    """``found`` with a preset's recipe, for its code length and width and for the images in ``data``, called ``label``.

    Raises UserError when it holds one already, or for the digits where the preset is not theirs, and the reverse.
    """
    if found.recipe:
        raise UserError(f"--recipe: expected a checkpoint without one, but {found.form} holds its own")
    images, base = cifar.load(data, label), PRESETS[preset]
    if cifar.DIGITS in (images.name, base.dataset) and images.name != base.dataset:
        raise UserError(f"--data: expected {base.dataset}, as --recipe {preset} has it, received {images.name}")
    for note in images.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    recipe = dataclasses.replace(
        base,
        bits=found.bits,
        width=found.width,
        dataset=images.name,
        class_names=images.class_names,
        data_sha256=images.digest(),
        split_sha256=cifar.split(images.labels, base.protocol, base.seed, data).digest(),
    )
    return dataclasses.replace(found, recipe=json.dumps(dataclasses.asdict(recipe), indent=2))


def check_target(source: Path, target: Path, found: Checkpoint, names: str) -> None:
    """Raise UserError unless ``target`` can hold ``found`` under ``names``."""
    if target.suffix.lower() not in _TARGETS:
        raise UserError(f"{target}: expected a suffix among {', '.join(_TARGETS)}, received {target.suffix!r}")
    families, _ = _TARGETS[target.suffix.lower()]
    if names not in families:
        raise UserError(f"{target}: expected --names among {', '.join(families)} for this suffix, received {names}")
    if CLASSIFIER not in found.weights and names != DEEPHASH and target.suffix.lower() != ".safetensors":
        raise UserError(
            f"{source}: {CLASSIFIER} is missing, which only a .safetensors, or a .pt with --names deephash, does "
            "without; DeepHash-pytorch keeps it in the loss: put that module's fc.weight into the state dict"
        )
    if _same_file(source, target):
        raise UserError(f"{target}: expected another file than SRC")


def without_classifier(found: Checkpoint) -> Checkpoint:
    """``found`` as DeepHash-pytorch's network has it, whose loss holds the classifier."""
    if CLASSIFIER not in found.weights:
        return found
    text = "DeepHash-pytorch keeps it in its loss; --with-classifier writes it as fc.weight"
    arrays, momentum = (
        {name: array for name, array in (part or {}).items() if name != CLASSIFIER}
        for part in (found.weights, found.momentum)
    )
    left_out = {**found.left_out, "classifier": text}
    return dataclasses.replace(found, weights=arrays, momentum=momentum or None, left_out=left_out)


def _same_file(source: Path, target: Path) -> bool:
    # a .pdparams and its .pdopt are one checkpoint
    one = {
        path.resolve().with_suffix(".pdparams") if path.suffix == ".pdopt" else path.resolve()
        for path in (source, target)
    }
    return len(one) == 1


def write(target: Path, found: Checkpoint, names: str, torch_worker: Worker) -> None:
    """Write ``found`` to ``target`` atomically; a PyTorch file is written by PyTorch, in a process of its own."""
    suffix = target.suffix.lower()
    if suffix == ".safetensors":
        checkpoint.save(target, found)
    elif suffix == ".pdparams":
        _write_paddle(target, found, names)
    else:
        with scratch_beside(target) as folder:
            neutral = folder / "neutral.safetensors"
            checkpoint.save(neutral, found)
            torch_worker.output_of("torch_impl.files", str(neutral), str(target), names)


def _write_paddle(target: Path, found: Checkpoint, names: str) -> None:
    table = spelled(names)

    def in_paddle(arrays: weights.Arrays) -> weights.Arrays:
        # Paddle keeps linear weights as (in, out); decided by kind, because fc7 is square
        turn = {"linear": np.transpose}
        return {
            table[name]: np.ascontiguousarray(turn.get(kind, np.asarray)(arrays[name])) for name, kind in KINDS.items()
        }

    parameters = in_paddle(found.weights)
    facts = found.facts() | {"weights_sha256": weights.digest(parameters)}
    velocities = found.momentum and in_paddle(found.momentum)
    write_paddle(
        target, PaddleState(parameters, velocities, facts), {table[name]: kind for name, kind in KINDS.items()}
    )


def inspect(found: Checkpoint) -> str:
    """What ``--inspect`` prints."""
    unknown = "not in the file"
    epoch, momentum = (
        printable(found.left_out.get(name, unknown) or "left out", 300) for name in ("epoch", "momentum")
    )
    lines = [
        f"form       {found.form}",
        f"network    {found.bits} bits, AlexNet width x{found.width:g}, {_count(found):,} numbers",
        f"epoch      {epoch if found.epoch is None else found.epoch}",
        f"rate       {unknown if found.rate is None else f'{found.rate:g}'}",
        f"momentum   {'for every parameter' if found.momentum else momentum}",
        f"recipe     {'in the file' if found.recipe else unknown}",
    ]
    if beside := {name: why for name, why in found.left_out.items() if name not in ("epoch", "momentum")}:
        lines.append(f"left out   {listed(beside)}")
    lines.append(f"SHA-256    {weights.digest(found.weights)} (weights, neutral form)")
    if found.momentum:
        lines.append(f"           {weights.digest(found.momentum)} (momentum)")
    heading = f"{'parameter':<18}{'shape':<18}{'dtype':<9}{'min':>11}{'max':>11}{'mean':>11}{'std':>11}{'momentum':>11}"
    return "\n".join([*lines, "", heading, *(_row(found, name) for name in KINDS if name in found.weights)])


def _row(found: Checkpoint, name: str) -> str:
    array = found.weights[name]
    values = [array.min(), array.max(), array.mean(dtype=np.float64), array.std(dtype=np.float64)]
    # root mean square, as the sign of momentum says little
    values += [np.sqrt(np.mean(np.square(found.momentum[name], dtype=np.float64)))] if found.momentum else []
    shape = "x".join(map(str, array.shape))
    return f"{name:<18}{shape:<18}{array.dtype!s:<9}" + "".join(f"{value:>11.3g}" for value in values)


def _count(found: Checkpoint) -> int:
    return sum(array.size for array in found.weights.values())


def _summary(target: Path, found: Checkpoint, names: str) -> str:
    present = {name: value for name, value in vars(found).items() if name in _ALL_FACTS and value is not None}
    _, held = _TARGETS[target.suffix.lower()]
    if target.suffix.lower() == ".pdparams" and not found.momentum:
        held = ()  # everything but the weights goes into the .pdopt, which Paddle reads with velocities only
    text = f"{printable(target)}: {TITLES[names]}, {found.bits} bits, width x{found.width:g}, from {found.form}"
    kept, no_place = [n for n in present if n in held], [n for n in present if n not in held]
    text += f"; with {', '.join(kept)}" if kept else ""
    text += f"; left out of the file, which has no place for it: {', '.join(no_place)}" if no_place else ""
    return text + (f"; left out: {listed(found.left_out)}" if found.left_out else "")


if __name__ == "__main__":
    sys.exit(exit_status(main))
