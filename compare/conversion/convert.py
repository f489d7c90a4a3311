"""Writing a checkpoint in another form, with what that form can hold."""

import dataclasses
import json
from pathlib import Path

from compare.frameworks.worker import Worker
from compare.suite.images import with_data
from shared.checkpoint import weights
from shared.checkpoint.checkpoint import KINDS, Checkpoint
from shared.checkpoint.checkpoint import save as save_neutral
from shared.checkpoint.names import CLASSIFIER, DEEPHASH, OURS, TITLES, parameter_names
from shared.checkpoint.paddle_files import PaddleState, transposed, write_paddle
from shared.config.recipe import Recipe
from shared.data import cifar
from shared.readers.trees import listed
from shared.system.errors import UserError, printable
from shared.system.files import scratch_beside
from shared.system.progress import Progress

# suffix of DST -> the families of names it may be written under, and the fields it can hold
_STATE_DICT = ((OURS, "greedyhash", DEEPHASH), ())
_ALL_FIELDS = ("momentum", "second_moment", "steps", "epoch", "learning_rate", "recipe", "framework", "chosen")
TARGETS = {
    ".safetensors": ((OURS,), _ALL_FIELDS),
    ".ckpt": ((OURS,), _ALL_FIELDS),
    ".pt": _STATE_DICT,
    ".pth": _STATE_DICT,
    ".pkl": _STATE_DICT,
    ".pdparams": ((OURS, "paddle_greedyhash"), _ALL_FIELDS),
}


def with_recipe(checkpoint: Checkpoint, recipe: Recipe, data: str, label: str = "") -> Checkpoint:
    """``checkpoint`` with ``recipe`` for its code length and sizes and the images in ``data``, called ``label``.

    Raises UserError for a checkpoint that holds a recipe already or has another number of classes, and for the
    digits with another preset than theirs.
    """
    if checkpoint.recipe:
        raise UserError(f"--recipe: expected a checkpoint without one, but {checkpoint.form} holds its own")
    known, images = with_data(recipe, data, label, Progress())
    if images.name == cifar.DIGITS != recipe.dataset:
        raise UserError(
            f"--data: expected {recipe.dataset}, as --recipe {recipe.preset} has it, received {images.name}"
        )
    if checkpoint.num_classes not in (None, images.num_classes):
        raise UserError(
            f"--data: expected images of {checkpoint.num_classes} classes, as many as the classifier has, received "
            f"{images.num_classes}"
        )
    known = dataclasses.replace(known, bits=checkpoint.bits, **checkpoint.sizes._asdict())
    known = dataclasses.replace(known, split_sha256=cifar.split_for(images, known, data).digest())
    return dataclasses.replace(checkpoint, recipe=json.dumps(dataclasses.asdict(known), indent=2))


def check_target(source: Path, target: Path, checkpoint: Checkpoint, names: str) -> None:
    """Raise UserError unless ``target`` can hold ``checkpoint`` under ``names``."""
    if target.suffix.lower() not in TARGETS:
        raise UserError(f"{target}: expected a suffix among {', '.join(TARGETS)}, received {target.suffix!r}")
    families, _ = TARGETS[target.suffix.lower()]
    if names not in families:
        raise UserError(f"{target}: expected --names among {', '.join(families)} for this suffix, received {names}")
    if CLASSIFIER not in checkpoint.weights and names != DEEPHASH and target.suffix.lower() != ".safetensors":
        raise UserError(
            f"{source}: {CLASSIFIER} is missing, which only a .safetensors, or a .pt with --names deephash, does "
            "without; DeepHash-pytorch keeps it in the loss: put that module's fc.weight into the state dict"
        )
    if _same_file(source, target):
        raise UserError(f"{target}: expected another file than SRC")


def without_classifier(checkpoint: Checkpoint) -> Checkpoint:
    """``checkpoint`` as DeepHash-pytorch's network has it, whose loss holds the classifier."""
    if CLASSIFIER not in checkpoint.weights:
        return checkpoint
    text = "DeepHash-pytorch keeps it in its loss; --with-classifier writes it as fc.weight"
    arrays, momentum, second = (
        {name: array for name, array in (part or {}).items() if name != CLASSIFIER}
        for part in (checkpoint.weights, checkpoint.momentum, checkpoint.second_moment)
    )
    left_out = {**checkpoint.left_out, "classifier": text}
    return dataclasses.replace(
        checkpoint, weights=arrays, momentum=momentum or None, second_moment=second or None, left_out=left_out
    )


def _same_file(source: Path, target: Path) -> bool:
    # a .pdparams and its .pdopt are one checkpoint
    files = {
        path.resolve().with_suffix(".pdparams") if path.suffix == ".pdopt" else path.resolve()
        for path in (source, target)
    }
    return len(files) == 1


def write(target: Path, checkpoint: Checkpoint, names: str, torch_worker: Worker) -> None:
    """Write ``checkpoint`` to ``target`` atomically; a PyTorch file is written by PyTorch, in a process of its own."""
    suffix = target.suffix.lower()
    if suffix == ".safetensors":
        save_neutral(target, checkpoint)
    elif suffix == ".pdparams":
        _write_paddle(target, checkpoint, names)
    else:
        with scratch_beside(target) as folder:
            neutral = folder / "neutral.safetensors"
            save_neutral(neutral, checkpoint)
            torch_worker.output_of("torch_impl.checkpoint_writer", str(neutral), str(target), names)


def _write_paddle(target: Path, checkpoint: Checkpoint, names: str) -> None:
    table = parameter_names(names)

    def in_paddle(arrays: weights.Arrays) -> weights.Arrays:
        return {table[name]: transposed(arrays[name], kind) for name, kind in KINDS.items()}

    parameters = in_paddle(checkpoint.weights)
    metadata = checkpoint.metadata() | {"weights_sha256": weights.digest(parameters)}
    velocities = in_paddle(checkpoint.momentum) if _has_velocities(checkpoint) else None
    write_paddle(
        target, PaddleState(parameters, velocities, metadata), {table[name]: kind for name, kind in KINDS.items()}
    )


def summary(target: Path, checkpoint: Checkpoint, names: str) -> str:
    """One line: what was written to ``target``, and what of ``checkpoint`` it has no place for."""
    present = [name for name, value in vars(checkpoint).items() if name in _ALL_FIELDS and value is not None]
    _, held = TARGETS[target.suffix.lower()]
    if target.suffix.lower() == ".pdparams" and not _has_velocities(checkpoint):
        held = ()  # everything but the weights goes into the .pdopt, which Paddle reads with velocities only
    network = f"{checkpoint.bits} bits, {checkpoint.sizes}"
    text = f"{printable(target)}: {TITLES[names]}, {network}, from {checkpoint.form}"
    written, no_place = [n for n in present if n in held], [n for n in present if n not in held]
    text += f"; with {_listed(written)}" if written else ""
    text += f"; left out of the file, which has no place for it: {_listed(no_place)}" if no_place else ""
    return text + (f"; left out: {listed(checkpoint.left_out)}" if checkpoint.left_out else "")


def _has_velocities(checkpoint: Checkpoint) -> bool:
    """Whether Paddle's Momentum goes on from its momentum; AdamW's first moment is none."""
    return bool(checkpoint.momentum) and checkpoint.second_moment is None


def _listed(fields: list[str]) -> str:
    return ", ".join(fields).replace("_", " ")
