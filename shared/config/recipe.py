"""The recipe of a run: every setting that may change its numbers, and the presets."""

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from shared.config.arithmetic import PRECISIONS
from shared.config.kernels import NATIVE, canonical
from shared.config.limits import check_field
from shared.config.optimizers import OPTIMIZERS, SGD, check_optimizer
from shared.config.protocols import CHANGES, DATABASES, DATASETS, LISTED, PROTOCOLS, Protocol, changed, changes_of
from shared.system.errors import UserError, printable
from shared.system.files import read_json, sha256_of
from shared.system.schema import TEXT, checked, parse_json

# of mAP; half the step from 12 to 24 bits in the paper
EQUIVALENCE_MARGIN = 0.010
# the published code lengths
LENGTHS = (12, 24, 32, 48)
# what a seed decides, each part through a stream of its own
SEEDED = ("split", "weights", "order", "dropout")
BASE_SEED = 2000
# in which the runs of a suite may differ
FREE_FIELDS = frozenset({"bits", "seed", "split_sha256"})
# the fields that came after the first stored recipes: absent there, and in the digest only where not the default
LATER_FIELDS = frozenset(
    {"class_names", "hidden_units", "pooled_px", "kernels", "num_classes", "queries_per_class", "train_per_class"}
    | {"database", "listed_train", "topk", "last_place", "optimizer", "store_px"}
)
# the fields that follow from something else than a setting -> the options that decide it
DECIDED = {
    "preset": "--preset",
    "bits": "--bits",
    "seed": "--seeds",
    **dict.fromkeys(("dataset", "data_sha256", "split_sha256", "class_names", "num_classes", "listed_train"), "--data"),
    **dict.fromkeys(("backbone", "backbone_layers", "backbone_sha256"), "--backbone-weights"),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of one run, shared by both frameworks; the defaults are the published CIFAR-10 (I) protocol.

    ``seeded`` names the parts that follow ``seed``; the others stay as ``BASE_SEED`` has them, for a study of where the
    variance comes from (compare/suite/studies.py).
    ``learning_rate`` is multiplied by ``lr_drop_factor`` after every ``lr_drop_epoch`` epochs.
    ``width`` scales AlexNet's channels and units, to whole numbers; ``input_px`` is the side of the upsampled square
    image, ``hidden_units`` are those of fc6 and of fc7 at width 1, and ``pooled_px`` is the side of the square to which
    the last convolution's output is averaged before fc6.
    ``eval_every`` counts epochs; 0 scores after the last epoch only, which is always scored.
    ``precision`` is that of training and encoding: fp32, tf32 or bf16 (shared/config/arithmetic.py).
    ``margin`` is the equivalence margin, the difference of mAP that does not matter in the test over seeds
    (compare/stats/equivalence.py): fixed here, before any run.
    ``backbone_layers`` names the AlexNet layers that start from ``backbone``; the rest start random.
    ``num_classes`` is the data set's number of classes, and of the classifier's outputs; ``class_names`` are those of a
    data set that is not known by ``dataset``, label by label; () where it is.
    ``queries_per_class``, ``train_per_class`` and ``database`` (rest, all or train) stand in the place of what
    ``protocol`` says, 0 and "" where they are its own; ``listed_train`` is the number of training images of a split
    that the files list. ``topk`` is K of mAP@K, 0 for the whole ranking.
    ``optimizer`` is sgd or adamw, whose first beta is ``momentum`` (shared/config/optimizers.py).
    ``store_px`` is the side of the square that pictures are packed into; 0 is ``input_px``, and leaves in memory what
    fits there.
    ``kernels`` says what this project computes itself, alike in both frameworks (shared/config/kernels.py); it is kept
    in its canonical form.
    ``last_place`` is 0, or the number of the draw of one initial weight that is changed by one unit in its last place,
    the smallest change there is, to see how far rounding alone carries a training.
    """

    preset: str
    dataset: str = "cifar10"
    protocol: str = "cifar10-1"
    bits: int = 48
    seed: int = BASE_SEED
    seeded: tuple[str, ...] = SEEDED
    epochs: int = 50
    eval_every: int = 1
    input_px: int = 224
    width: float = 1.0
    batch_size: int = 32
    learning_rate: float = 1e-3
    lr_drop_epoch: int = 30
    lr_drop_factor: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    penalty_weight: float = 0.1
    dropout: str = "shared"
    precision: str = "fp32"
    margin: float = EQUIVALENCE_MARGIN
    backbone: str = "imagenet"
    backbone_layers: tuple[str, ...] = ()
    backbone_sha256: str = ""
    data_sha256: str = ""
    split_sha256: str = ""
    class_names: tuple[str, ...] = ()
    hidden_units: int = 4096
    pooled_px: int = 6
    kernels: str = NATIVE
    num_classes: int = 10
    queries_per_class: int = 0
    train_per_class: int = 0
    database: str = ""
    listed_train: int = 0
    topk: int = 0
    last_place: int = 0
    optimizer: str = SGD
    store_px: int = 0

    def __post_init__(self) -> None:
        """Check types and ranges; UserError names the field."""
        for field in dataclasses.fields(self):
            check_field(field.name, field.type, getattr(self, field.name))
        if not 1 <= 64 * self.width <= 1024 or 64 * self.width != round(64 * self.width):
            raise UserError(
                f"width: expected a multiple of 1/64 up to 16, which makes whole channels, received {self.width}"
            )
        if self.hidden_units * self.width % 1:
            raise UserError(
                f"hidden_units: expected a number that width {self.width:g} makes whole, received {self.hidden_units}"
            )
        if not self.seeded or self.seeded != tuple(part for part in SEEDED if part in self.seeded):
            raise UserError(f"seeded: expected some of {', '.join(SEEDED)}, in this order, received {self.seeded}")
        if not 0 < self.margin < 1:
            raise UserError(f"margin: expected a mAP between 0 and 1 (one point is 0.01), received {self.margin}")
        choices = {"dropout": ("shared", "native"), "precision": PRECISIONS}
        choices |= {"dataset": tuple(DATASETS), "protocol": tuple(PROTOCOLS), "database": ("", *DATABASES)}
        choices |= {"optimizer": tuple(OPTIMIZERS)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise UserError(
                    f"{name}: expected {' or '.join(filter(None, allowed))}, received {getattr(self, name)!r}"
                )
        if self.store_px > self.input_px:
            raise UserError(
                f"store_px: expected at most the network's input, {self.input_px}, which images are brought up to, "
                f"received {self.store_px}"
            )
        self._check_data()
        object.__setattr__(self, "kernels", canonical(self.kernels))
        check_optimizer(self.optimizer, self.momentum, self.kernels)
        for name, value in changes_of(self.protocol, self.rule).items():
            object.__setattr__(self, name, value)

    def _check_data(self) -> None:
        known = DATASETS[self.dataset]
        if known not in (None, self.num_classes):
            raise UserError(f"num_classes: expected {known}, as {self.dataset} has, received {self.num_classes}")
        if self.listed_train and self.protocol != LISTED:
            raise UserError(f"listed_train: expected 0 without the protocol {LISTED}, received {self.listed_train}")
        if len(self.class_names) not in (0, self.num_classes):
            raise UserError(f"class_names: expected {self.num_classes} names, received {len(self.class_names)}")

    @property
    def rule(self) -> Protocol:
        """What the split takes of every class, and the database: the protocol's, where this recipe has no other."""
        return changed(self.protocol, *(getattr(self, name) for name in CHANGES))

    @property
    def stored_px(self) -> int:
        """The side of the square that pictures are resized to when they are read."""
        return self.store_px or self.input_px

    @property
    def num_train(self) -> int:
        """The number of training images."""
        return self.listed_train or self.num_classes * self.rule.train

    @property
    def measure(self) -> str:
        """What its runs are scored by: "mAP", or "mAP@1000" of the first 1000 items."""
        return f"mAP@{self.topk}" if self.topk else "mAP"

    def seed_of(self, part: str) -> int:
        """The seed of one of the parts in ``SEEDED``."""
        return self.seed if part in self.seeded else BASE_SEED

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of ``epoch`` (counted from 1), as published: 0.1 ** (epoch // 30), counted from 0."""
        return self.learning_rate * self.lr_drop_factor ** ((epoch - 1) // self.lr_drop_epoch)

    @property
    def drops_again(self) -> bool:
        """Whether the learning rate is lowered more than once."""
        return self.epochs > 2 * self.lr_drop_epoch

    def evaluates(self, epoch: int) -> bool:
        """Whether the model is scored after ``epoch`` (counted from 1)."""
        return epoch == self.epochs or (self.eval_every > 0 and epoch % self.eval_every == 0)

    def digest(self) -> str:
        """SHA-256 of the settings in canonical form; two runs with one digest must give the same numbers.

        What did not exist when the first recipes were stored counts only where it changes something.
        """
        values = dataclasses.asdict(self)
        for field in dataclasses.fields(self):
            if field.name in LATER_FIELDS and values[field.name] == field.default:
                del values[field.name]
        if self.drops_again:
            values["lr_drops"] = "every lr_drop_epoch epochs"  # there was one drop alone at first
        return sha256_of(json.dumps(values, sort_keys=True).encode())


# the fields that a user may set
SETTABLE = frozenset(field.name for field in dataclasses.fields(Recipe)) - DECIDED.keys()


def differing_settings(received: Recipe, expected: Recipe, free: Collection[str] = ()) -> str:
    """ "epochs 5 instead of 50": the settings, but for the ``free`` ones, in which two recipes differ; "" for none."""
    names = [field.name for field in dataclasses.fields(Recipe) if field.name not in free]
    pairs = ((name, getattr(received, name), getattr(expected, name)) for name in names)
    return ", ".join(f"{name} {value!r} instead of {wanted!r}" for name, value, wanted in pairs if value != wanted)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a ``recipe.json``; UserError names unknown, missing or mistyped fields."""
    return recipe_from_dict(read_json(path), where=str(path))


def recipe_from_text(text: object, where: str) -> Recipe:
    """The recipe in the text of a recipe.json, wherever that is kept; raises like ``recipe_from_dict``."""
    return recipe_from_dict(parse_json(checked(text, TEXT, where), where), where)


def recipe_from_dict(values: object, where: str) -> Recipe:
    """The recipe in a plain dict, where a later field may be absent.

    Raises UserError, beginning with ``where``, that names unknown, missing or mistyped fields or values out of range.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected a recipe's settings by name, received {type(values).__name__}")
    fields = {field.name: field.type for field in dataclasses.fields(Recipe)}
    if unknown := sorted(values.keys() - fields.keys()):
        raise UserError(
            f"{where}: unknown settings {printable(', '.join(unknown), 200)}; written by a newer version: use that one"
        )
    if missing := sorted(fields.keys() - LATER_FIELDS - values.keys()):
        raise UserError(f"{where}: missing settings {', '.join(missing)}; damaged, or no recipe of this project")
    # JSON has lists only
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list) and get_args(fields[name])}
    try:
        return Recipe(**{**values, **lists})
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


# the paper's other experiments; settings as in the authors' code, which scores once, after the last epoch
CIFAR10_II, IMAGENET_100 = "cifar10-ii", "imagenet100"
_OTHER_LENGTHS = {CIFAR10_II: (16, 24, 32, 48), IMAGENET_100: (16, 32, 48, 64)}


def lengths_of(preset: str) -> tuple[int, ...]:
    """The published code lengths of the experiment that ``preset`` repeats."""
    return _OTHER_LENGTHS.get(preset, LENGTHS)


PRESETS: dict[str, Recipe] = {
    "paper": Recipe(preset="paper"),
    "cpu": Recipe(preset="cpu", epochs=5, eval_every=0),
    "small": Recipe(
        preset="small",
        epochs=12,
        eval_every=0,
        input_px=96,
        hidden_units=1024,
        pooled_px=2,
        learning_rate=4e-3,
        lr_drop_epoch=8,
    ),
    "demo": Recipe(
        preset="demo",
        dataset="digits",
        protocol="digits-1",
        epochs=15,
        eval_every=3,
        input_px=64,
        width=1 / 8,
        learning_rate=5e-3,
        lr_drop_epoch=12,
        backbone="none",
    ),
    CIFAR10_II: Recipe(preset=CIFAR10_II, protocol=LISTED, epochs=40, lr_drop_epoch=20, eval_every=0),
    IMAGENET_100: Recipe(
        preset=IMAGENET_100,
        dataset="custom",
        num_classes=100,
        protocol=LISTED,
        epochs=100,
        lr_drop_epoch=80,
        eval_every=0,
        penalty_weight=1.0,
        topk=1000,
    ),
}
