"""What a value read from JSON must look like, and the one check of it, for everything that reads a file.

A schema is a Kind of plain value; a list [schema] of any length; a Row of one schema a place; an Each, texts -> schema;
a Record of named fields; or a Maybe of a schema, where null will do.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from shared.system.errors import UserError, printable

_DEEPEST = 50
_LARGEST = 2**63
_SHOWN = 60
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Kind:
    """A plain value: whether one ``fits``, and what is ``expected``, as a message says it."""

    expected: str
    fits: Callable[[object], bool]

    def or_none(self) -> "Kind":
        return Kind(f"{self.expected}, or null", lambda value: value is None or self.fits(value))


@dataclass(frozen=True)
class Each:
    """An object of any names: texts that fit ``key`` -> values of one ``schema``."""

    schema: object
    key: Kind


@dataclass(frozen=True)
class Row:
    """A list of one value for each of the ``schemas``."""

    schemas: tuple[object, ...]


@dataclass(frozen=True)
class Maybe:
    """What fits ``schema``, or null."""

    schema: object


@dataclass(frozen=True)
class Record:
    """An object of known names: ``fields`` name -> schema.

    ``later``: name -> the value of a field that older versions did not write, put where it is absent. A name that is
    not known is refused, unless ``open``.
    """

    fields: Mapping[str, object]
    later: Mapping[str, object] = field(default_factory=dict)
    open: bool = False


def whole(least: int = 0, most: int = _LARGEST) -> Kind:
    """A whole number from ``least`` to ``most``."""
    up_to = f" to {most}" if most < _LARGEST else " or more"
    return Kind(f"a whole number, {least}{up_to}", lambda value: type(value) is int and least <= value <= most)


def number(least: float = -math.inf, most: float = math.inf, above: float = -math.inf) -> Kind:
    """A finite number from ``least`` to ``most``, and larger than ``above``."""
    parts = [f"{least:g} or more"] if least > -math.inf else []
    parts += [f"above {above:g}"] if above > -math.inf else []
    parts += [f"{most:g} or less"] if most < math.inf else []

    def fits(value: object) -> bool:
        return type(value) in (int, float) and math.isfinite(value) and least <= value <= most and value > above

    return Kind(", ".join(["a number", *parts]), fits)


def one_of(*choices: str) -> Kind:
    """One of the texts."""
    return Kind(" or ".join(choices), lambda value: value in choices)


TEXT = Kind("a text", lambda value: isinstance(value, str))
LINE = Kind("one line of text", lambda value: isinstance(value, str) and value.isprintable())
DECIMAL = Kind("a whole number in digits", lambda value: isinstance(value, str) and value.isascii() and value.isdigit())
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
SHARE = Kind("a number from 0 to 1", number(-_ROUNDING, 1 + _ROUNDING).fits)
ANY = Kind("anything", lambda _: True)


def parse_json(text: str | bytes, where: str) -> object:
    """The value in a JSON text of this project.

    Raises UserError, beginning with ``where``, for anything else: NaN and infinities, numbers beyond 64 bits, text that
    is no UTF-8, and nesting that no file of this project has.
    """
    try:
        value = json.loads(text, parse_constant=_refused, parse_int=_bounded, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = "too many lists or objects within one another" if isinstance(error, RecursionError) else error
        raise UserError(
            f"{where}: expected JSON that this project wrote, received: {printable(reason, 200)}"
        ) from error
    _check_leaves(value, where)
    return value


def checked(value: object, schema: object, where: str) -> object:
    """``value`` with its later fields filled in; UserError, beginning with ``where``, for one unlike ``schema``."""
    match schema:
        case Kind(expected, fits):
            return value if fits(value) else _refuse(where, expected, value)
        case [inner]:
            entries = value if isinstance(value, list) else _refuse(where, "a list", value)
            return [checked(entry, inner, f"{where}[{place}]") for place, entry in enumerate(entries)]
        case Maybe(inner):
            return None if value is None else checked(value, inner, where)
        case Row(schemas):
            if not isinstance(value, list) or len(value) != len(schemas):
                _refuse(where, f"a list of {len(schemas)} values", value)
            return [checked(*pair, f"{where}[{place}]") for place, pair in enumerate(zip(value, schemas, strict=True))]
        case Each(inner, key):
            entries = {checked(name, key, f"{where}: name"): entry for name, entry in _object(value, where).items()}
            return {name: checked(entry, inner, f"{where}: {printable(name)}") for name, entry in entries.items()}
        case Record(fields, later, is_open):
            entries = {**later, **_object(value, where)}
            _check_names(entries, fields, is_open, where)
            return {
                name: checked(entry, fields[name], f"{where}: {name}") if name in fields else entry
                for name, entry in entries.items()
            }
    raise TypeError(f"no schema: {schema!r}")


def _object(value: object, where: str) -> dict:
    return value if isinstance(value, dict) else _refuse(where, "an object of named values", value)


def _check_names(entries: Mapping, fields: Mapping, is_open: bool, where: str) -> None:
    if missing := sorted(fields.keys() - entries.keys()):
        raise UserError(f"{where}: missing {', '.join(missing)}; the file is damaged, or another program's")
    if not is_open and (unknown := sorted(entries.keys() - fields.keys())):
        raise UserError(
            f"{where}: unknown {printable(', '.join(unknown), 200)}; written by a newer version: use that one"
        )


def _refuse(where: str, expected: str, value: object) -> NoReturn:
    received = type(value).__name__ if isinstance(value, (list, dict)) else repr(printable(value, _SHOWN))
    raise UserError(f"{where}: expected {expected}, received {received}")


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no number")


def _bounded(digits: str) -> int:
    if len(digits) > len(str(_LARGEST)) or abs(int(digits)) >= _LARGEST:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise ValueError(f"a number beyond the largest, {digits[:20]}")
    return float(digits)


def _check_leaves(value: object, where: str) -> None:
    """Level by level: bounded depth, and texts that can be written again (JSON can spell halves of a letter)."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = [item for item in level if isinstance(item, (list, dict))]
        texts = [item for item in level if isinstance(item, str)]
        if not "".join(texts).isascii():
            _check_letters("".join(texts), where)
        level = [child for item in inner for child in (item if isinstance(item, list) else [*item, *item.values()])]
        if not level:
            return
    raise UserError(f"{where}: expected at most {_DEEPEST} lists or objects within one another, received more")


def _check_letters(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: expected letters, received half of one ({error.object[error.start]!a})") from error
