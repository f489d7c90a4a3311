"""How the commands read their options."""

import argparse

from shared.errors import UserError, printable


def refuse_repeated(parser: argparse.ArgumentParser) -> None:
    """Let every option added from now on that takes one value be given once; UserError if it is given again.

    Else argparse keeps the last value, and the others are lost without a word.
    """
    parser.register("action", None, _Once)


class _Once(argparse.Action):
    _given = False

    def __call__(self, parser, namespace, values, option_string=None):
        if self._given:
            raise UserError(f"{option_string}: expected once, received again with {printable(values, 200)}")
        self._given = True
        setattr(namespace, self.dest, values)
