"""Command lines: one parser for every command, whose errors are one line and whose help shows defaults."""

import argparse
import difflib
import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from shared.system.errors import UserError, printable

_MOST_SHOWN = 50


class Parser(argparse.ArgumentParser):
    """As argparse's own, but raises UserError for an unknown or wrong argument, with what may have been meant.

    Errors of ``type=int``, ``float`` and ``Path`` say what is expected; an empty path, which would be the current
    folder, is refused. An option of one value may be given once: of several, argparse would use the last and drop the
    others in silence. ``description`` is shown unchanged.
    """

    admits_repeated = False

    def __init__(self, **options: object) -> None:
        super().__init__(**{"formatter_class": _Help, **options})
        for kind, convert in ((int, whole()), (float, _number), (Path, _path)):
            self.register("type", kind, convert)
        if not self.admits_repeated:
            self.register("action", None, _Once)

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Admit no unknown argument: argparse calls the verbs' parsers through this."""
        args = list(sys.argv[1:] if args is None else args)
        if not self._subparsers:  # before argparse misses the option that was misspelt
            options = args[: args.index("--")] if "--" in args else args
            names = [argument.split("=")[0] for argument in options if argument.startswith("--")]
            self._refuse([name for name in names if not self._admits(name)])
        known, unknown = super().parse_known_args(args, namespace)
        self._refuse(unknown)
        return known, unknown

    def _admits(self, name: str) -> bool:
        return any(option.startswith(name) for option in self._option_string_actions)

    def _refuse(self, unknown: list[str]) -> None:
        if unknown:
            name = unknown[0].split("=")[0]
            self.error(f"no such argument: {printable(name, _MOST_SHOWN)}{meant(name, self._option_string_actions)}")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            choices = list(map(str, action.choices))
            message = f"expected {_one_of(choices)}, received {printable(value, _MOST_SHOWN)!r}"
            raise argparse.ArgumentError(action, message + meant(str(value), choices))

    def error(self, message: str) -> NoReturn:
        # argparse's own message for what is not overridden here: "argument --bits: expected at least one argument"
        raise UserError(re.sub(r"^argument (\S+?)(/\S+)?: ", r"\1: ", message))


class WorkerParser(Parser):
    """That of the workers: a rank gets its parent's arguments and then others, which override them."""

    admits_repeated = True


class _Once(argparse.Action):
    _is_given = False

    def __call__(self, parser, namespace, values, option_string=None):
        if self._is_given and option_string:
            raise UserError(f"{option_string}: expected once, received again with {printable(values, _MOST_SHOWN)}")
        self._is_given = True
        setattr(namespace, self.dest, values)


class _Help(argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        if default in (None, False, "", argparse.SUPPRESS) or not action.option_strings or "default" in text:
            return text
        shown = " ".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)
        shown = shown.replace("%", "%%")  # argparse fills in %(name)s
        return f"{text}; default: {shown}".removeprefix("; ")


def whole(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """The ``type`` of an option that takes a whole number from ``least`` to ``most``."""
    span = f" from {least}" * (least is not None) + f" to {most}" * (most is not None)

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or (least is not None and value < least) or (most is not None and value > most):
            raise _unexpected(f"a whole number{span}", text)
        return value

    return convert


def add_device(parser: argparse._ActionsContainer) -> None:
    """Give a command or a verb the option that chooses where it computes."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU if there is one")


def meant(received: str, names: Iterable[str]) -> str:
    """ "; did you mean NAME?", of the name closest to what was ``received``; "" where none is close."""
    near = difflib.get_close_matches(received, list(names), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def option_of(name: str) -> str:
    """The option that sets ``name``.

    >>> option_of("eval_every")
    '--eval-every'
    """
    return f"--{name.replace('_', '-')}"


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _unexpected("a finite number", text)
    return value


def _path(text: str) -> Path:
    if not text:
        raise _unexpected("a path", text)
    return Path(text)


def _unexpected(expected: str, text: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"expected {expected}, received {printable(text, _MOST_SHOWN)!r}")


def _one_of(choices: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
