"""The options that say how pictures are stored, which split is drawn and what is scored on it, of several commands."""

import argparse
import dataclasses
from collections.abc import Sequence

from shared.config.protocols import CHANGES, DATABASES, LISTED, PROTOCOLS
from shared.config.recipe import Recipe
from shared.system.options import whole

# all are fields of the recipe
SPLIT_OPTIONS = ("protocol", *CHANGES, "topk", "store_px")
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


def with_options(recipe: Recipe, arguments: argparse.Namespace, names: Sequence[str] = SPLIT_OPTIONS) -> Recipe:
    """``recipe`` with the settings called ``names`` that the command line gives."""
    given = {name: getattr(arguments, name) for name in names}
    return dataclasses.replace(recipe, **{name: value for name, value in given.items() if value is not None})
