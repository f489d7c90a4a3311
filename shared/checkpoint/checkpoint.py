"""A checkpoint whatever wrote it: read from any supported file into one neutral form, in which training goes on."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.checkpoint import weights
from shared.checkpoint.formats import Content, read_content
from shared.checkpoint.moments import joined, paired
from shared.checkpoint.names import CLASSIFIER, TITLES, Reading, read_names
from shared.checkpoint.paddle_files import transposed
from shared.config.optimizers import ADAMW, OPTIMIZERS, SGD
from shared.config.recipe import PRESETS, Recipe, recipe_from_text
from shared.network.alexnet import Sizes, parameter_table, parameters, recognised_sizes, sizes_of
from shared.readers.float_types import FloatError, as_float32, describe_types, type_name
from shared.readers.trees import Stored, listed, read_stored, unused_in
from shared.system.errors import UserError, printable

Arrays = dict[str, np.ndarray]

# field of a Checkpoint -> its name in files
_STORED_NAMES = {
    "epoch": "epoch",
    "learning_rate": "rate",
    "recipe": "recipe",
    "framework": "framework",
    "steps": "steps",
    "chosen": "chosen",
}
_MOST_STEPS = 2**40
# parameter name -> "conv", "linear" or "bias", in the network's order; the same at every width and length
KINDS = {p.name: p.kind for p in parameters(PRESETS["paper"])}
_MISSING_CLASSIFIER = (
    "DeepHash-pytorch keeps it in the loss: put that module's fc.weight into the state dict, "
    "or convert to a .pt with --names deephash, which does without it"
)


@dataclass(frozen=True)
class Checkpoint:
    """Neutral float32 ``weights`` and ``momentum``, both complete, in torch orientation under our names.

    Of AdamW ``momentum`` is the first moment, ``second_moment`` has the same names, and ``steps`` counts those taken;
    both are None where it was not the optimiser.

    ``epoch`` counts finished epochs, ``learning_rate`` is the one the optimiser held then, ``recipe`` the text of its
    recipe.json, ``chosen`` how its epoch was, if not as the last; each is None where the file does not hold it.
    ``form`` says what the file was, and ``left_out`` what else it holds, with the reason where there is one.
    """

    weights: Arrays
    momentum: Arrays | None = None
    epoch: int | None = None
    learning_rate: float | None = None
    recipe: str | None = None
    framework: str | None = None
    second_moment: Arrays | None = None
    steps: int | None = None
    chosen: str | None = None
    form: str = field(default="", compare=False)
    left_out: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def bits(self) -> int:
        """Code length."""
        return self.weights["hash.bias"].size

    @property
    def num_classes(self) -> int | None:
        """Outputs of the classifier; None without one."""
        return len(self.weights[CLASSIFIER]) if CLASSIFIER in self.weights else None

    @property
    def sizes(self) -> Sizes:
        """What a recipe for it says of the layers' sizes."""
        return _sizes(self.weights)

    @property
    def moments(self) -> Arrays:
        """All that the optimiser remembers, as shared/checkpoint/moments.py has it, where ``momentum`` is."""
        return joined(self.momentum, self.second_moment, self.steps)

    def metadata(self) -> dict:
        """What files hold beside the arrays, plain values under their stored names, without those that are None."""
        values = {stored: getattr(self, name) for name, stored in _STORED_NAMES.items()}
        return {stored: value for stored, value in values.items() if value is not None}

    def origin(self) -> dict:
        """What a run that goes on from here records of it."""
        return {"epoch": self.epoch, "form": self.form, "sha256": weights.digest(self.weights)}

    def check_resumable(self, recipe: Recipe, where: str, ended: bool = False) -> None:
        """Raise UserError unless training by ``recipe`` can go on from here; ``ended`` admits that it has ended."""
        missing = {name: self.left_out.get(name, "") for name in ("momentum", "epoch") if getattr(self, name) is None}
        if missing:
            raise UserError(
                f"{where}: cannot go on from it, missing {listed(missing)}; use a Lightning .ckpt of an epoch's end, a "
                ".pdparams with its .pdopt, or the checkpoint.safetensors of a run, or start anew with "
                "--initial-weights"
            )
        optimizer = SGD if self.second_moment is None else ADAMW
        if optimizer != recipe.optimizer:
            raise UserError(
                f"{where}: expected what {OPTIMIZERS[recipe.optimizer]} remembers, as in recipe.json, "
                f"received what {OPTIMIZERS[optimizer]} does"
            )
        if self.num_classes not in (None, recipe.num_classes):
            raise UserError(
                f"{where}: expected a classifier of {recipe.num_classes} classes as in recipe.json, received one of "
                f"{self.num_classes}"
            )
        expected = {p.name: p.shape for p in parameters(recipe)}
        received = {name: array.shape for name, array in self.weights.items()}
        if expected != received:
            raise UserError(
                f"{where}: expected {recipe.bits} bits and {sizes_of(recipe)} as in recipe.json, "
                f"received {self.bits} bits and {self.sizes}"
            )
        last = recipe.epochs if ended else recipe.epochs - 1
        if not 0 < self.epoch <= last:
            raise UserError(
                f"{where}: expected 1 to {last} finished epochs of the recipe's {recipe.epochs}, received {self.epoch}"
            )


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write the neutral form atomically."""
    momentum = paired(checkpoint.momentum or {}, checkpoint.second_moment or {})
    weights.save(path, checkpoint.weights, checkpoint.metadata(), momentum)


def read_checkpoint(path: Path, bits: int | None = None, need_classifier: bool = True, key: str = "") -> Checkpoint:
    """The checkpoint in ``path``: suffix and content decide the format, the names in it the implementation.

    ``path`` may be a finished run's folder. Of several networks in a file ``key`` names one. What lies beside the
    weights is used where it can be, else named in ``left_out``. Raises UserError for damage, for anything but one
    finite GreedyHash model (of ``bits`` if given), and for names or layouts that can be read in two ways.
    ``need_classifier`` False admits a model without classifier.
    """
    path = Path(path)
    content, where = read_content(path), str(path)
    reading = read_names(content.tensors, where, key, content.preferred)
    arrays, kinds = _read(content.tensors, reading, content.is_transposed, where)
    _check_shapes(arrays, content.is_transposed, where)
    beside = _beside(content, reading, where)
    if CLASSIFIER not in arrays and need_classifier:
        raise UserError(f"{where}: {TITLES[reading.family]}: {CLASSIFIER} is missing; {_MISSING_CLASSIFIER}")
    if bits is not None and arrays["hash.bias"].size != bits:
        raise UserError(f"{where}: expected {bits} bits, received {arrays['hash.bias'].size}")
    metadata = _checked_metadata(content.metadata, where)
    momentum, second, left_out = None, None, beside | content.left_out
    try:
        momentum, kinds_of_momentum = _momentum(content.momentum, content, reading, arrays, where)
        second, _ = _momentum(content.second, content, reading, arrays, where)
        if (second is None) != (metadata["steps"] is None):
            raise _Unusable("of AdamW's second moment and its number of steps one alone is there")
        kinds |= kinds_of_momentum
    except _Unusable as error:
        momentum, second, metadata["steps"] = None, None, None
        left_out["momentum"] = str(error)
    form = ", ".join(filter(None, [content.form, reading.describe(), describe_types(kinds)]))
    return Checkpoint(arrays, momentum, second_moment=second, **metadata, form=form, left_out=left_out)


class _Unusable(Exception):
    """Why the momentum is left out."""


def _read(tensors: Mapping[str, Stored], reading: Reading, is_transposed: bool, where: str) -> tuple[Arrays, set[str]]:
    """The arrays under our names, in torch orientation and float32, and the types they had."""
    arrays, kinds = {}, set()
    for ours, theirs in reading.names.items():
        array = read_stored(tensors[theirs], f"{where}: {printable(theirs, 100)}")
        kinds.add(type_name(array))
        array = as_float32(theirs, array, where)
        arrays[ours] = transposed(array, KINDS[ours]) if is_transposed else array
    return arrays, kinds


def _momentum(
    stored: Mapping[str, Stored], content: Content, reading: Reading, arrays: Arrays, where: str
) -> tuple[Arrays | None, set[str]]:
    """The momentum or second moment ``stored`` of every parameter of ``arrays``, if any, and the types it had.

    _Unusable where it holds another.
    """
    if not stored:
        return None, set()
    try:
        theirs = read_names(stored, where)
    except UserError as error:
        raise _Unusable(f"it is there for {len(stored)} of {len(arrays)} parameters, or others") from error
    if theirs.family != reading.family or theirs.names.keys() != arrays.keys():
        raise _Unusable("it is that of other parameters")
    try:
        momentum, kinds = _read(stored, theirs, content.is_transposed, f"{where}: momentum")
    except FloatError as error:
        raise _Unusable(str(error)) from error
    for name, array in momentum.items():
        if array.shape != arrays[name].shape:
            raise _Unusable(f"that of {name} has the shape {array.shape}, its parameter {arrays[name].shape}")
    return momentum, kinds


def _beside(content: Content, reading: Reading, where: str) -> dict[str, str]:
    """What lies beside the weights, and why it is of no use; UserError for what stands in a parameter's place."""
    unused = unused_in(content.value, reading.names.values())
    for name in (reading.prefix + missing for missing in reading.missing):
        if name in unused:
            received = printable(unused[name] or "something else", 100)
            raise UserError(f"{where}: {printable(name, 100)}: expected a tensor, received {received}")
    return {name: why for name, why in unused.items() if why or name not in content.bookkeeping}


def _check_shapes(arrays: Arrays, is_transposed: bool, where: str) -> None:
    hidden, bits = (arrays[name].size for name in ("fc6.bias", "hash.bias"))
    sizes = _sizes(arrays)
    if sizes is None:
        received = [*_channels(arrays), hidden]
        raise UserError(f"{where}: expected AlexNet's layer sizes at one width, received {received}")
    num_classes = max(1, arrays[CLASSIFIER].size // max(1, bits)) if CLASSIFIER in arrays else 1
    table = parameter_table(_channels(arrays), sizes.pooled_px, hidden, bits, num_classes)
    table = [p for p in table if p.name in arrays]
    wrong = [p for p in table if arrays[p.name].shape != p.shape]
    linear = [p for p in wrong if arrays[p.name].shape == p.shape[::-1] and p.kind == "linear"]
    # fc6 can be square, the hash layer hardly
    if {"fc6.weight", "hash.weight"} & {p.name for p in linear}:
        here, there = ("Paddle", "PyTorch") if is_transposed else ("PyTorch", "Paddle")
        raise UserError(
            f"{where}: by its format linear weights are stored as {here} stores them, by their shapes as {there} "
            f"does ({', '.join(p.name for p in linear)}); fc7 is square and cannot tell, so it is not guessed"
        )
    if wrong:
        received = {p.name: arrays[p.name].shape for p in wrong}
        raise UserError(f"{where}: expected the shapes {[p[:2] for p in wrong]}, received {received}")


def _sizes(arrays: Mapping[str, np.ndarray]) -> Sizes | None:
    hidden = arrays["fc6.bias"].size
    return recognised_sizes(_channels(arrays), hidden, arrays["fc6.weight"].size // max(1, hidden))


def _channels(arrays: Mapping[str, np.ndarray]) -> list[int]:
    return [arrays[f"conv{n}.bias"].size for n in range(1, 6)]


def _checked_metadata(metadata: Mapping[str, object], where: str) -> dict:
    """The fields of a Checkpoint that a file's ``metadata`` holds under their stored names, None where it does not."""
    kinds = {"epoch": int, "learning_rate": (int, float), "recipe": str, "framework": str, "steps": int, "chosen": str}
    most = {"steps": _MOST_STEPS}
    values = {name: metadata.get(stored) for name, stored in _STORED_NAMES.items()}
    for name, value in values.items():
        wrong = not isinstance(value, kinds[name]) or isinstance(value, bool)
        if value is not None and (wrong or (kinds[name] is not str and not 0 <= value < most.get(name, math.inf))):
            # nothing of the value is shown: it can be a tower of tuples
            stored = _STORED_NAMES[name]
            raise UserError(f"{where}: {stored}: expected a plain value in range, received {type(value).__name__}")
    return values


def open_checkpoint(path: Path) -> tuple[Recipe, Arrays, dict]:
    """Recipe, weights and metadata of a trained model, whatever form it has; a classifier may be missing.

    Raises UserError for a file without its recipe, or of other sizes than that says.
    """
    checkpoint = read_checkpoint(path, need_classifier=False)
    if checkpoint.recipe is None:
        raise UserError(
            f"{path}: expected a checkpoint that carries its recipe, received one without; add it by: "
            f"python compare/convert.py {shlex.quote(str(path))} OUT.safetensors --recipe paper --data PATH"
        )
    recipe = recipe_from_text(checkpoint.recipe, where=f"{path}: recipe")
    expected = [p for p in parameters(recipe) if p.name in checkpoint.weights or p.name != CLASSIFIER]
    weights.check_shapes(checkpoint.weights, expected, str(path))
    return recipe, checkpoint.weights, checkpoint.metadata()


def with_classifier(recipe: Recipe, arrays: Arrays) -> Arrays:
    """``arrays``, and zeros for the classifier where it is missing, so that a network can be made of them."""
    return {p.name: np.zeros(p.shape, np.float32) for p in parameters(recipe) if p.name == CLASSIFIER} | arrays
