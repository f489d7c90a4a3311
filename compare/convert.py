"""Convert a checkpoint between PyTorch, Lightning, Paddle and the neutral form, or show what is in it.

python compare/convert.py SRC DST          SRC's format follows from suffix, content and names, DST's from suffix
python compare/convert.py SRC --inspect    names, shapes, dtypes, statistics and the digest of SRC
python compare/convert.py SRC DST.safetensors --recipe paper --data PATH
                                           somebody else's weights, for the workers' eval, predict, encode and export
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
from collections.abc import Sequence
from pathlib import Path

from compare.conversion.convert import TARGETS, check_target, summary, with_recipe, without_classifier, write
from compare.conversion.inspection import inspect
from compare.frameworks.worker import Worker, add_python_options
from compare.suite.settings import SPLIT_OPTIONS, add_set_option, add_split_options, with_options
from shared.checkpoint.checkpoint import read_checkpoint
from shared.checkpoint.formats import SUFFIXES
from shared.checkpoint.names import DEEPHASH, FAMILIES, OURS
from shared.config.limits import MAX_BITS
from shared.config.recipe import PRESETS
from shared.data import cifar
from shared.system.errors import UserError, exit_status
from shared.system.options import Parser, option_of, whole


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/convert.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("source", type=Path, metavar="SRC", help=f"a checkpoint: {', '.join(SUFFIXES)}")
    add("target", type=Path, metavar="DST", nargs="?", help=f"file to write: {', '.join(TARGETS)}")
    add("--bits", type=whole(1, MAX_BITS), metavar="N", help="the code length SRC must have")
    add("--key", default="", metavar="NAME", help="which of several networks in SRC, by the entry it lies under (a.b)")
    add("--names", choices=FAMILIES, default=OURS, help="what to call the parameters in a .pt or .pdparams DST")
    text = (
        "with --names deephash: write fc.weight too, which DeepHash-pytorch keeps in its loss and its network refuses"
    )
    add("--with-classifier", action="store_true", help=text)
    add("--recipe", choices=PRESETS, help="what SRC was trained by, to be stored in DST, if SRC does not hold it")
    add("--data", metavar="PATH", help="with --recipe: the images it was trained on; default: the bundled digits")
    add("--label", default="", metavar="TEXT", help="with --data: what it is; a copy of CIFAR-10 is named as one here")
    add_split_options(parser)
    add_set_option(parser)
    add("--inspect", action="store_true", help="show what is in SRC")
    add_python_options(parser, ["torch"])
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or inspect as the command line asks."""
    arguments = build_parser().parse_args(argv)
    if arguments.target is None and not arguments.inspect:
        raise UserError("expected DST, a file to write, or --inspect; received neither")
    named = [name for name in ("data", "label", *SPLIT_OPTIONS, "set") if getattr(arguments, name)]
    if named and not arguments.recipe:
        options = " and ".join(map(option_of, named))
        raise UserError(f"{options}: expected --recipe beside it, which records what it says")
    checkpoint = read_checkpoint(arguments.source, arguments.bits, need_classifier=False, key=arguments.key)
    if arguments.inspect:
        print(inspect(checkpoint))
    if arguments.recipe:
        recipe = with_options(PRESETS[arguments.recipe], arguments)
        checkpoint = with_recipe(checkpoint, recipe, arguments.data or cifar.DIGITS, arguments.label)
    if arguments.target:
        check_target(arguments.source, arguments.target, checkpoint, arguments.names)
        if arguments.with_classifier and arguments.names != DEEPHASH:
            raise UserError(f"--with-classifier: expected --names {DEEPHASH}, which alone does without it")
        if arguments.names == DEEPHASH and not arguments.with_classifier:
            checkpoint = without_classifier(checkpoint)
        write(arguments.target, checkpoint, arguments.names, Worker("torch", arguments.torch_python))
        print(summary(arguments.target, checkpoint, arguments.names))


if __name__ == "__main__":
    sys.exit(exit_status(main))
