"""What lies in a value read from a file: the arrays in its dicts and modules under dotted names, and the rest."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from shared.readers.pickle_values import Global, StandIn, reason_of
from shared.system.errors import UserError, printable

# a hostile file can put one dict into another many times over
_MOST_PARTS, _MOST_TENSORS, _DEEPEST = 500_000, 20_000, 20
# where a module stores what belongs to it; the names in a state dict do not contain these
_OF_A_MODULE = ("_parameters", "_buffers", "_modules")


class Stored(ABC):
    """An array still in its file."""

    __slots__ = ()

    @abstractmethod
    def array(self) -> np.ndarray:
        """A copy of the values; any exception if the file does not hold them."""


def read_stored(stored: Stored, where: str) -> np.ndarray:
    """``stored.array()``, with a UserError that begins with ``where`` for whatever fails."""
    try:
        return stored.array()
    except UserError:
        raise
    except Exception as error:  # a file may describe anything
        raise UserError(
            f"{where}: expected an array of numbers, received one that fails: {reason_of(error)}"
        ) from error


def tensors_in(value: object, where: str) -> dict[str, Stored]:
    """The arrays in ``value`` under dotted names, in the order of the file; a pickled module counts as a dict.

    UserError, beginning with ``where``, for two of one name and for more parts than a checkpoint needs.
    """
    tensors: dict[str, Stored] = {}
    to_do, parts = [("", value, 0)], 0
    while to_do:
        name, item, depth = to_do.pop()
        if isinstance(item, Stored):
            if name in tensors:
                raise UserError(f"{where}: expected one tensor of each name, received two of {printable(name, 100)}")
            tensors[name] = item
        elif depth < _DEEPEST:
            within = list(_parts_of(item))
            parts += len(within)
            if parts > _MOST_PARTS or len(tensors) > _MOST_TENSORS:
                raise UserError(f"{where}: expected a checkpoint, received one of far more parts than a network has")
            to_do += [(_joined(name, key), part, depth + 1) for key, part in reversed(within) if _holds_more(part)]
    return tensors


def _holds_more(value: object) -> bool:
    return isinstance(value, (dict, list, tuple, StandIn, Stored))


def _parts_of(value: object) -> Iterator[tuple[str, object]]:
    """Names and values in a container or in a pickled module."""
    if isinstance(value, (list, tuple)):
        return ((str(number), item) for number, item in enumerate(value))
    dicts = [value] if isinstance(value, dict) else _dicts_of_object(value) if isinstance(value, StandIn) else []
    return ((str(key), item) for part in dicts for key, item in part.items() if type(key) in (str, int))


def _dicts_of_object(value: StandIn) -> list[dict]:
    """A module's parts, or the items of some other kind of dict."""
    state = value.state[0] if isinstance(value.state, tuple) and value.state else value.state
    if not isinstance(state, dict):
        return [value.items]
    # TorchScript's modules have their tensors and modules as attributes, others in dicts
    module_parts = [state[key] for key in _OF_A_MODULE if isinstance(state.get(key), dict)]
    attributes = {key: item for key, item in state.items() if isinstance(item, (StandIn, Stored))}
    return [value.items, *(module_parts or [attributes])]


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def unused_in(value: object, used: Collection[str]) -> dict[str, str]:
    """All in ``value`` but the arrays ``used``: name -> the foreign class or function in it, "" where there is none.

    One entry stands for all that lies in one part; a pickled module, which has many settings, has none.
    """
    return dict(_unused(value, "", set(used), set(), 0))


def _unused(value: object, name: str, used: set[str], seen: set[int], depth: int) -> Iterator[tuple[str, str]]:
    for key, item in [] if isinstance(value, StandIn) else _parts_of(value):
        full = _joined(name, key)
        if full in used:
            continue
        if depth < _DEEPEST and any(path.startswith(f"{full}.") for path in used):
            yield from _unused(item, full, used, seen, depth + 1)
        else:
            yield full, _foreign_in(item, seen)


def _foreign_in(value: object, seen: set[int]) -> str:
    """The first class or function in ``value`` that is not known here; parts that were ``seen`` are passed over."""
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, (StandIn, Global)):
            return str(part)
        if isinstance(part, (list, tuple, dict)) and id(part) not in seen:
            seen.add(id(part))
            parts.extend(part.values() if isinstance(part, dict) else part)
    return ""


def plain_number(value: object) -> int | float | None:
    """``value``, if it can be a count or a learning rate; a file from elsewhere may hold anything in its place."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and 0 <= value < math.inf else None


def why_no_number(value: object) -> str:
    """Why ``plain_number`` does not take ``value`` for a learning rate; "" where it does, or there is none."""
    if value is None or plain_number(value) is not None:
        return ""
    # of anything else nothing is shown: it can be a tower of tuples
    received = printable(value, 30) if isinstance(value, (int, float)) else type(value).__name__
    return f"expected a number, 0 or more, received {received}"


def listed(reasons: Mapping[str, str], most: int = 8) -> str:
    """Names with their reasons in brackets, the first ``most`` of them, in one line."""
    parts = [printable(name, 60) + (f" ({printable(why, 300)})" if why else "") for name, why in reasons.items()]
    return ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")
