"""A checkpoint whatever wrote it: read from any supported file into one neutral form, in which training goes on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared import weights
from shared.errors import UserError
from shared.formats import Content, read_content
from shared.names import CLASSIFIER, TITLES, Reading, read_names
from shared.recipe import PRESETS, Recipe, parameter_table, parameters, recipe_from_text, width_of

Arrays = dict[str, np.ndarray]

# parameter name -> "conv", "linear" or "bias", in the network's order; the same at every width and length
KINDS = {p.name: p.kind for p in parameters(PRESETS["paper"])}
_MISSING_CLASSIFIER = (
    "DeepHash-pytorch keeps it in the loss: put that module's fc.weight into the state dict, "
    "or convert to a .pt with --names deephash, which does without it"
)


@dataclass(frozen=True)
class Checkpoint:
    """Neutral float32 ``weights`` and ``momentum``, both complete, in torch orientation under our names.

    ``epoch`` counts finished epochs, ``rate`` is the one the optimiser held then, ``recipe`` the text of its
    recipe.json; each is None where the file does not hold it. ``form`` says what the file was.
    """

    weights: Arrays
    momentum: Arrays | None = None
    epoch: int | None = None
    rate: float | None = None
    recipe: str | None = None
    framework: str | None = None
    form: str = field(default="", compare=False)

    @property
    def bits(self) -> int:
        """Code length."""
        return self.weights["hash.bias"].size

    @property
    def width(self) -> float:
        """AlexNet's scale."""
        return width_of(_channels(self.weights), self.weights["fc6.bias"].size)

    def facts(self) -> dict:
        """What is known besides arrays, as plain values, without what is not."""
        known = {name: getattr(self, name) for name in ("epoch", "rate", "recipe", "framework")}
        return {name: value for name, value in known.items() if value is not None}

    def origin(self) -> dict:
        """What a run that goes on from here records of it."""
        return {"epoch": self.epoch, "form": self.form, "sha256": weights.digest(self.weights)}

    def check_resumable(self, recipe: Recipe, where: str, ended: bool = False) -> None:
        """Raise UserError unless training by ``recipe`` can go on from here; ``ended`` admits that it has ended."""
        missing = [name for name in ("momentum", "epoch") if getattr(self, name) is None]
        if missing:
            raise UserError(
                f"{where}: cannot go on from it, missing {' and '.join(missing)}; use a Lightning .ckpt, a .pdparams "
                "with its .pdopt, or the checkpoint.safetensors of a run, or start anew with --initial-weights"
            )
        expected = {p.name: p.shape for p in parameters(recipe)}
        received = {name: array.shape for name, array in self.weights.items()}
        if expected != received:
            raise UserError(
                f"{where}: expected {recipe.bits} bits and width {recipe.width:g} as in recipe.json, "
                f"received {self.bits} bits and width {self.width:g}"
            )
        last = recipe.epochs if ended else recipe.epochs - 1
        if not 0 < self.epoch <= last:
            raise UserError(
                f"{where}: expected 1 to {last} finished epochs of the recipe's {recipe.epochs}, received {self.epoch}"
            )


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write the neutral form atomically."""
    weights.save(path, checkpoint.weights, checkpoint.facts(), checkpoint.momentum)


def read_checkpoint(path: Path, bits: int | None = None, need_classifier: bool = True) -> Checkpoint:
    """The checkpoint in ``path``, whose format is told by suffix and content, and whose author by the names in it.

    Raises UserError for damage, for anything but one finite float32 GreedyHash model (of ``bits`` if given), and
    for names or layouts that can be read in two ways. ``need_classifier`` False admits a model without classifier.
    """
    path = Path(path)
    content, where = read_content(path), str(path)
    reading = read_names(content.arrays, where)
    arrays = _renamed(content.arrays, reading, content.turned, where)
    _check_shapes(arrays, content.turned, where)
    if CLASSIFIER not in arrays and need_classifier:
        raise UserError(f"{where}: {TITLES[reading.family]}: {CLASSIFIER} is missing; {_MISSING_CLASSIFIER}")
    found = Checkpoint(arrays, **_checked_facts(content.facts, where), form=f"{content.form}, {reading.describe()}")
    if bits is not None and found.bits != bits:
        raise UserError(f"{where}: expected {bits} bits, received {found.bits}")
    momentum = content.momentum and _momentum(content, reading, arrays, where)
    return Checkpoint(**{**vars(found), "momentum": momentum})


def _renamed(arrays: Mapping[str, np.ndarray], reading: Reading, turned: bool, where: str) -> Arrays:
    """Our names, torch orientation, values checked."""
    found = {}
    for ours, theirs in reading.names.items():
        array = arrays[theirs]
        weights.check_values(theirs, array, where)
        found[ours] = np.ascontiguousarray(array.T) if turned and KINDS[ours] == "linear" else array
    return found


def _momentum(content: Content, reading: Reading, arrays: Arrays, where: str) -> Arrays:
    missing = sorted(set(reading.names.values()) ^ content.momentum.keys())
    if missing:
        raise UserError(
            f"{where}: expected momentum for every parameter and no other, received otherwise for {missing}"
        )
    momentum = _renamed(content.momentum, reading, content.turned, f"{where}: momentum")
    for name, array in momentum.items():
        if array.shape != arrays[name].shape:
            raise UserError(f"{where}: momentum of {name}: expected {arrays[name].shape}, received {array.shape}")
    return momentum


def _check_shapes(arrays: Arrays, turned: bool, where: str) -> None:
    hidden, bits = (arrays[name].size for name in ("fc6.bias", "hash.bias"))
    if width_of(_channels(arrays), hidden) is None:
        sizes = [*_channels(arrays), hidden]
        raise UserError(f"{where}: expected AlexNet's layer sizes at one width, received {sizes}")
    table = [p for p in parameter_table(_channels(arrays), hidden, bits) if p.name in arrays]
    wrong = [p for p in table if arrays[p.name].shape != p.shape]
    linear = [p for p in wrong if arrays[p.name].shape == p.shape[::-1] and p.kind == "linear"]
    if wrong and "fc6.weight" in [p.name for p in linear]:
        here, there = ("Paddle", "PyTorch") if turned else ("PyTorch", "Paddle")
        raise UserError(
            f"{where}: by its format linear weights are stored as {here} stores them, by their shapes as {there} "
            f"does ({', '.join(p.name for p in linear)}); fc7 is square and cannot tell, so it is not guessed"
        )
    if wrong:
        received = {p.name: arrays[p.name].shape for p in wrong}
        raise UserError(f"{where}: expected the shapes {[p[:2] for p in wrong]}, received {received}")


def _channels(arrays: Mapping[str, np.ndarray]) -> list[int]:
    return [arrays[f"conv{n}.bias"].size for n in range(1, 6)]


def _checked_facts(facts: Mapping[str, object], where: str) -> dict:
    """Epoch, rate, recipe and framework among the ``facts``, None where they are not there."""
    kinds = {"epoch": int, "rate": (int, float), "recipe": str, "framework": str}
    known = {name: facts.get(name) for name in kinds}
    for name, value in known.items():
        wrong = not isinstance(value, kinds[name]) or isinstance(value, bool)
        if value is not None and (wrong or (name in ("epoch", "rate") and not 0 <= value < math.inf)):
            raise UserError(f"{where}: {name}: expected a plain value in range, received {str(value)[:50]!r}")
    return known


def open_checkpoint(path: Path) -> tuple[Recipe, Arrays, dict]:
    """Recipe, weights and metadata of a finished run's ``checkpoint.safetensors``; UserError for any other file."""
    _, metadata = weights.load(path)
    if "recipe" not in metadata:
        raise UserError(
            f"{path}: expected a checkpoint of a finished run, which carries its recipe; received one without: "
            "compare/convert.py --recipe adds it"
        )
    recipe = recipe_from_text(metadata["recipe"], where=f"{path}: recipe")
    return recipe, weights.load_exactly(path, recipe)[0], metadata
