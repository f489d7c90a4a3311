"""Paddle's ``.pdparams`` and ``.pdopt`` files, read and written without Paddle.

Both are pickled dicts of NumPy arrays. ``.pdparams`` also says how Paddle calls each parameter, and the velocities in
``.pdopt`` go by those names.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.errors import UserError
from shared.files import atomic_path
from shared.safe_pickle import load_arrays

_TABLE = "StructuredToParameterName@@"
_SCHEDULER = "LR_Scheduler"
_VELOCITY = re.compile(r"(.+)_velocity_\d+")
# our own entry in a .pdopt, which Paddle carries along and does not look at
_FACTS = "greedyhash"
_PROTOCOL = 4  # the newest that every Paddle since 2.1 reads

Arrays = dict[str, np.ndarray]


class PaddleState(NamedTuple):
    """Parameters under the network's names in Paddle's layout, their velocities, and what else is known."""

    parameters: Arrays
    velocities: Arrays | None
    facts: dict


def optimizer_file(path: Path) -> Path:
    """The ``.pdopt`` that belongs to a ``.pdparams``."""
    return path.with_suffix(".pdopt")


def read_paddle(path: Path) -> PaddleState:
    """The state in a ``.pdparams`` and, where there is one, in the ``.pdopt`` beside it (either may be named).

    Raises UserError for damage, foreign entries, or velocities that cannot be told apart.
    """
    where = path.with_suffix(".pdparams") if path.suffix == ".pdopt" else path
    if not where.exists():
        raise UserError(f"{path}: expected its parameters beside it in {where.name}, received none")
    content = load_arrays(where.read_bytes(), str(where))
    table = content.pop(_TABLE, {})
    _check_arrays(content, where)
    beside = optimizer_file(where)
    if where.suffix != ".pdparams" or not beside.exists():
        return PaddleState(content, None, {})
    return PaddleState(content, *_read_optimizer(beside, table))


def _read_optimizer(path: Path, table: object) -> tuple[Arrays | None, dict]:
    content = load_arrays(path.read_bytes(), str(path))
    scheduler, facts = content.pop(_SCHEDULER, {}), content.pop(_FACTS, {})
    content.pop(_TABLE, None)
    _check_arrays(content, path)
    if not (isinstance(scheduler, dict) and isinstance(facts, dict) and isinstance(table, dict)):
        raise UserError(f"{path}: expected dicts as {_SCHEDULER}, {_FACTS} and {_TABLE}, received something else")
    known = {"epoch": scheduler.get("last_epoch"), "rate": scheduler.get("last_lr")}
    structured = {name: key for key, name in table.items() if isinstance(name, str)}
    velocities = {}
    for name, array in content.items():
        match = _VELOCITY.fullmatch(name)
        if not match or match[1] not in structured:
            raise UserError(
                f"{path}: {name}: expected a velocity of paddle.optimizer.Momentum for a parameter that "
                f"{_TABLE} of the .pdparams names, received neither"
            )
        velocities[structured[match[1]]] = array
    return velocities or None, {**known, **facts}


def write_paddle(path: Path, state: PaddleState, kinds: Mapping[str, str]) -> None:
    """Write ``path`` (.pdparams) and, if there are velocities, the ``.pdopt`` beside it; remove it otherwise.

    ``kinds`` has "conv", "linear" or "bias" for every parameter, in the network's order.
    """
    names = paddle_names(kinds)
    beside = optimizer_file(path)
    velocities = {f"{names[name]}_velocity_0": array for name, array in (state.velocities or {}).items()}
    with atomic_path(beside) as optimizer_part, atomic_path(path) as part:
        part.write_bytes(pickle.dumps({**state.parameters, _TABLE: names}, _PROTOCOL))
        optimizer_part.write_bytes(pickle.dumps(_optimizer_content(velocities, state.facts), _PROTOCOL))
        # parameters beside velocities of other parameters would be a silent mistake: a kill may leave none
        beside.unlink(missing_ok=True)
    if not velocities:
        beside.unlink()


def _optimizer_content(velocities: Arrays, facts: dict) -> dict:
    content = {**velocities, _TABLE: {name: name for name in velocities}, _FACTS: facts}
    if facts.get("epoch") is not None and facts.get("rate") is not None:
        content[_SCHEDULER] = {"last_epoch": facts["epoch"], "last_lr": facts["rate"]}
    return content


def paddle_names(kinds: Mapping[str, str]) -> dict[str, str]:
    """Structured name -> Paddle's own, as the first network built in a process has it ("linear_0.w_0")."""
    counts = {"conv2d": -1, "linear": -1}
    names, layer = {}, ""
    for name, kind in kinds.items():
        if kind != "bias":
            prefix = "conv2d" if kind == "conv" else "linear"
            counts[prefix] += 1
            layer = f"{prefix}_{counts[prefix]}"
        names[name] = f"{layer}.{'b' if kind == 'bias' else 'w'}_0"
    return names


def _check_arrays(content: Mapping[object, object], path: Path) -> None:
    for name, array in content.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray):
            raise UserError(f"{path}: {str(name)[:50]}: expected an array, received {type(array).__name__}")
