"""Paddle's ``.pdparams`` and ``.pdopt`` files, read and written without Paddle.

Both are pickled dicts of NumPy arrays. ``.pdparams`` also says how Paddle calls each parameter, and the velocities in
``.pdopt`` go by those names.
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.readers.float_types import BFLOAT16
from shared.readers.pickle_values import StandIn
from shared.readers.safe_pickle import NDARRAY, StoredArray, checked_sizes, read_pickle
from shared.readers.trees import Stored, plain_number, tensors_in, why_no_number
from shared.system.errors import UserError, printable
from shared.system.files import atomic_path

_TABLE = "StructuredToParameterName@@"
_CUT = "UnpackBigParamInfor@@"
_SCHEDULER = "LR_Scheduler"
_VELOCITY = re.compile(r"(.+)_velocity_\d+")
# this project's entry in a .pdopt, which Paddle keeps and does not read
_ENTRY = "greedyhash"
_FROM_A_MODEL = "; save the model's parameters by name: paddle.save(model.state_dict(), 'weights.pdparams')"
_PROTOCOL = 4  # the newest that every Paddle since 2.1 reads

Arrays = dict[str, np.ndarray]


class PaddleState(NamedTuple):
    """What is to be written: parameters under the network's names in Paddle's layout, their velocities, metadata."""

    parameters: Arrays
    velocities: Arrays | None
    metadata: dict


class PaddleContent(NamedTuple):
    """What was read: parameters and their momentum under the network's names, and metadata.

    ``value`` is all that the file holds, ``left_out`` says why the momentum is not here.
    """

    parameters: dict[str, Stored]
    momentum: dict[str, Stored]
    metadata: dict
    value: dict
    left_out: dict[str, str]


class _Parameter(StoredArray):
    """An array as Paddle pickles it; ``name`` is Paddle's own, where it stands beside the array."""

    __slots__ = ("name",)

    def __init__(self, *state: object) -> None:
        super().__init__(*state)
        self.name = None

    def array(self) -> np.ndarray:
        values = super().array()
        # NumPy has no bfloat16, and nothing else of Paddle's comes as these
        return values.view(BFLOAT16) if values.dtype == np.uint16 else values


@dataclass(frozen=True, eq=False)
class _Slices(Stored):
    """A large parameter, which Paddle cuts for the older protocols."""

    shape: object
    parts: list[Stored]

    def array(self) -> np.ndarray:
        """The parameter in one piece; fails like its parts, and where they do not make its shape."""
        return np.concatenate([part.array() for part in self.parts]).reshape(checked_sizes(self.shape))


def _array(kind: object, *_: object) -> object:
    return _Parameter() if kind == NDARRAY else StandIn("a subclass of numpy.ndarray")


def _tuple(items: object = ()) -> object:
    """Tensors in other containers than a flat dict are pickled as tuple((name, array))."""
    if isinstance(items, tuple) and len(items) == 2 and isinstance(items[1], _Parameter):
        items[1].name = items[0]
        return items[1]
    return tuple(items) if isinstance(items, list | tuple) else StandIn("builtins.tuple")


def _dense(text: object = None, names: object = None) -> object:
    """Tensors without gradient are pickled as eval("data", {"data": array}), which is not evaluated here."""
    array = names.get("data") if text == "data" and isinstance(names, dict) else None
    return array if isinstance(array, _Parameter) else StandIn("builtins.eval")


_ADMITTED = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _array for core in ("core", "_core")},
    ("builtins", "tuple"): _tuple,
    ("builtins", "eval"): _dense,
}


def transposed(array: np.ndarray, kind: str) -> np.ndarray:
    """A copy between the neutral and Paddle's orientation, which differ for linear weights; its own inverse.

    ``kind`` is "conv", "linear" or "bias".
    """
    # Paddle keeps linear weights as (in, out); decided by kind, because fc7 is square
    return np.ascontiguousarray(array.T) if kind == "linear" else np.array(array)


def optimizer_file(path: Path) -> Path:
    """The ``.pdopt`` that belongs to a ``.pdparams``."""
    return path.with_suffix(".pdopt")


def read_paddle(path: Path) -> PaddleContent:
    """The content of a ``.pdparams`` and, where there is one, of the ``.pdopt`` beside it (either may be named).

    Raises UserError for damage.
    """
    where = path.with_suffix(".pdparams") if path.suffix == ".pdopt" else path
    if not where.exists():
        raise UserError(f"{path}: expected its parameters beside it in {where.name}, received none")
    value = read_pickle(where.read_bytes(), str(where), _ADMITTED, _FROM_A_MODEL)
    table = value.pop(_TABLE, None)
    parameters = tensors_in(_joined(value, str(where)), str(where))
    beside = optimizer_file(where)
    if where.suffix != ".pdparams" or not beside.exists():
        return PaddleContent(parameters, {}, {}, value, {})
    content = read_pickle(beside.read_bytes(), f"{beside} (move it away to read the parameters alone)", _ADMITTED)
    momentum, left_out = _velocities(content, _owners(table, parameters))
    if why := why_no_number(_of(content, _SCHEDULER).get("last_lr")):
        left_out["learning rate"] = why
    return PaddleContent(parameters, momentum, _metadata(content), value, left_out)


def _joined(value: dict, where: str) -> dict:
    """``value`` with its cut parameters whole."""
    cut = value.pop(_CUT, {})
    for name, entry in cut.items() if isinstance(cut, dict) else ():
        names = entry.get("slices") if isinstance(entry, dict) else None
        parts = [value.pop(part, None) for part in names if isinstance(part, str)] if isinstance(names, list) else []
        if not parts or not all(isinstance(part, Stored) for part in parts):
            raise UserError(f"{where}: {printable(name, 100)}: expected the parts that {_CUT} lists, received others")
        value[name] = _Slices(entry.get("OriginShape"), parts)
    return value


def _owners(table: object, parameters: Mapping[str, Stored]) -> dict[str, str]:
    """Paddle's own name -> the network's; from the file's table, or from the name beside each array."""
    pairs = table.items() if isinstance(table, dict) else ((n, getattr(p, "name", None)) for n, p in parameters.items())
    return {paddle_name: name for name, paddle_name in pairs if isinstance(paddle_name, str) and isinstance(name, str)}


def _velocities(content: dict, owners: Mapping[str, str]) -> tuple[dict[str, Stored], dict[str, str]]:
    """The velocities under the network's names, and why there are none."""
    momentum, foreign = {}, []
    for name, item in content.items():
        if not isinstance(name, str) or not isinstance(item, Stored):
            continue
        match = _VELOCITY.fullmatch(name)
        if match and match[1] in owners:
            momentum[owners[match[1]]] = item
        else:
            foreign.append(printable(name, 60))
    if foreign:
        received = f"{foreign[0]} and {len(foreign) - 1} more" if len(foreign) > 1 else foreign[0]
        expected = f"no velocity of paddle.optimizer.Momentum for a parameter that {_TABLE} names"
        return {}, {"momentum": f"the .pdopt holds {received}, {expected}"}
    return momentum, {}


def _of(content: dict, key: str) -> dict:
    return content.get(key) if isinstance(content.get(key), dict) else {}


def _metadata(content: dict) -> dict:
    """Epoch and learning rate by Paddle's scheduler, and what this project adds."""
    scheduler, project_entry = _of(content, _SCHEDULER), _of(content, _ENTRY)
    epoch, learning_rate = (plain_number(scheduler.get(key)) for key in ("last_epoch", "last_lr"))
    return {"epoch": epoch if isinstance(epoch, int) else None, "rate": learning_rate, **project_entry}


def write_paddle(path: Path, state: PaddleState, kinds: Mapping[str, str]) -> None:
    """Write ``path`` (.pdparams) and, if there are velocities, the ``.pdopt`` beside it; remove it otherwise.

    ``kinds`` has "conv", "linear" or "bias" for every parameter, in the network's order.
    """
    names = paddle_names(kinds)
    beside = optimizer_file(path)
    velocities = {f"{names[name]}_velocity_0": array for name, array in (state.velocities or {}).items()}
    with atomic_path(beside) as optimizer_part, atomic_path(path) as part:
        part.write_bytes(pickle.dumps({**state.parameters, _TABLE: names}, _PROTOCOL))
        optimizer_part.write_bytes(pickle.dumps(_optimizer_content(velocities, state.metadata), _PROTOCOL))
        # parameters beside velocities of other parameters would be a silent mistake: a kill may leave none
        beside.unlink(missing_ok=True)
    if not velocities:
        beside.unlink()


def _optimizer_content(velocities: Arrays, metadata: dict) -> dict:
    content = {**velocities, _TABLE: {name: name for name in velocities}, _ENTRY: metadata}
    if metadata.get("epoch") is not None and metadata.get("rate") is not None:
        content[_SCHEDULER] = {"last_epoch": metadata["epoch"], "last_lr": metadata["rate"]}
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
