"""The settings of a recipe that a command line gives: options of their own, ``--set NAME=VALUE``, ``--recipe FILE``."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from compare.suite.recipe_files import read_settings
from shared.config.limits import TYPES, check_field
from shared.config.protocols import CHANGES, DATABASES, LISTED, PROTOCOLS
from shared.config.recipe import BASE_SEED, DECIDED, PRESETS, SETTABLE, Recipe, lengths_of
from shared.network.alexnet import RELU_LAYERS
from shared.system.errors import UserError, printable
from shared.system.options import meant, option_of, whole

# all are fields of the recipe
SPLIT_OPTIONS = ("protocol", *CHANGES, "topk", "store_px")
# those that benchmark.py has an option for
RECIPE_OPTIONS = (*SPLIT_OPTIONS, "epochs", "eval_every", "dropout", "precision", "kernels", "margin")
_PROTOCOLS = [name for name in PROTOCOLS if name.startswith("cifar10") or name == LISTED]


def add_split_options(parser: argparse._ActionsContainer) -> None:
    """Give a command ``SPLIT_OPTIONS``; None stands for what the preset has."""
    add = parser.add_argument
    protocol_help = "the split; listed: as the files have it; default: cifar10-1, the paper's CIFAR-10 (I)"
    add("--protocol", choices=_PROTOCOLS, help=protocol_help)
    add("--queries-per-class", type=whole(1), metavar="N", help="queries of each class; default: the protocol's")
    train_help = "training images of each class; default: the protocol's"
    add("--train-per-class", type=whole(1), metavar="N", help=train_help)
    database_help = "all: what is not queried; rest: neither queried nor trained on; default: the protocol's"
    add("--database", choices=tuple(DATABASES), help=database_help)
    add("--topk", type=whole(1), metavar="K", help="score mAP@K, of the first K items; default: the whole ranking")
    store_help = "pack pictures into squares of PX pixels; default: the network's input, packed where memory is short"
    add("--store-px", type=whole(1), metavar="PX", help=store_help)


def add_set_option(parser: argparse._ActionsContainer) -> None:
    """Give a command ``--set``, which may be given several times."""
    text = "any setting of the recipe, such as optimizer=adamw or batch_size=64; may be given again for others"
    parser.add_argument("--set", action="append", type=_setting, default=[], metavar="NAME=VALUE", help=text)


def add_recipe_option(parser: argparse._ActionsContainer) -> None:
    """Give a command ``--recipe``."""
    text = "settings in a run's recipe.json or a TOML file, which options override"
    parser.add_argument("--recipe", type=Path, metavar="FILE", help=text)


def settled(arguments: argparse.Namespace) -> argparse.Namespace:
    """``arguments`` with all settings read, and a preset, lengths, seeds and start where none was given.

    ``arguments.recipe`` becomes the settings by name that its file has; what data and weights decide is left out of
    them. Raises UserError for a file that is none, or that contradicts ``--preset``.
    """
    if isinstance(arguments.recipe, Mapping):
        return arguments
    values, given = vars(arguments).copy(), read_settings(arguments.recipe) if arguments.recipe else {}
    preset = given.get("preset", arguments.preset)
    if arguments.preset not in ("auto", preset):
        raise UserError(f"--preset: expected {preset}, as {arguments.recipe} has it, received {arguments.preset}")
    lengths = [given["bits"]] if "bits" in given else [*lengths_of(preset)]
    defaults = {"bits": lengths, "seeds": [given.get("seed", BASE_SEED)], "backbone_weights": _start(given, arguments)}
    values |= {name: value for name, value in defaults.items() if name in values and values[name] is None}
    settings = {name: value for name, value in given.items() if name in SETTABLE}
    return argparse.Namespace(**{**values, "preset": preset, "recipe": settings})


def with_options(recipe: Recipe, arguments: argparse.Namespace, names: Sequence[str] = SPLIT_OPTIONS) -> Recipe:
    """``recipe`` with the settings that the command line gives: the file's, those of ``--set``, the options ``names``.

    Raises UserError for one that is given twice.
    """
    in_file = arguments.recipe if isinstance(arguments.recipe, Mapping) else {}
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    for name, value in arguments.set:
        if name in given:
            raise UserError(f"{name}: expected once, received again by --set {name}={printable(value, 50)}")
        given[name] = value
    return dataclasses.replace(recipe, **{**in_file, **given})


def options_for(recipe: Recipe) -> list[str]:
    """The options by which benchmark.py gives ``recipe`` its settings, beside its preset."""
    words = []
    for name in (*RECIPE_OPTIONS, *sorted(SETTABLE - set(RECIPE_OPTIONS))):
        value = getattr(recipe, name)
        if value == getattr(PRESETS[recipe.preset], name):
            continue
        # an option of the split says what to take, and cannot say "as the protocol has it"
        has_option = name in RECIPE_OPTIONS and (value or name not in SPLIT_OPTIONS)
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        words += [option_of(name), text] if has_option else ["--set", f"{name}={text}"]
    return words


def backbone_option(recipe: Recipe) -> str:
    """What ``--backbone-weights`` was for ``recipe``; FILE stands for a file of its owner's."""
    return _named_start(recipe.backbone, recipe.backbone_layers)


def _named_start(backbone: str, layers: Sequence[str]) -> str:
    if backbone != "imagenet":
        return "none" if backbone == "none" else "FILE"
    return "imagenet" if tuple(layers) in ((), RELU_LAYERS) else "imagenet-conv"


def _start(given: Mapping[str, object], arguments: argparse.Namespace) -> str | None:
    """The start that a file's settings name, unless an option does; None without one."""
    if "backbone" not in given or arguments.backbone_weights:
        return None
    start = _named_start(given["backbone"], given.get("backbone_layers", ()))
    if start == "FILE":
        raise UserError(f"{arguments.recipe}: its runs start from a weights file: name that by --backbone-weights")
    return start


def _setting(text: str) -> tuple[str, object]:
    """The name and the value in ``NAME=VALUE``; UserError for no setting, or a value of another type or range."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set: expected NAME=VALUE, such as batch_size=64, received {printable(text, 50)!r}")
    if name in DECIDED:
        raise UserError(f"--set: {name} follows from {DECIDED[name]}; use that")
    if name not in SETTABLE:
        raise UserError(f"--set: no such setting: {printable(name, 50)}{meant(name, SETTABLE)}")
    kind = {field.name: field.type for field in dataclasses.fields(Recipe)}[name]
    try:
        parsed = tuple(filter(None, value.split(","))) if get_args(kind) else kind(value)
    except ValueError as error:
        raise UserError(f"--set: {name}: expected {TYPES[kind]}, received {printable(value, 50)!r}") from error
    try:
        check_field(name, kind, parsed)
    except UserError as error:
        raise UserError(f"--set: {error}") from error
    return name, parsed
