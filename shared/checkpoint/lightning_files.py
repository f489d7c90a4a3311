"""What a checkpoint of PyTorch Lightning says beside its weights: finished epochs, learning rate and momentum.

Each is read without regard to the others; what cannot be used is left out with a reason.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from shared.checkpoint.names import LIGHTNING_PREFIX, PARAMETERS
from shared.readers.trees import Stored, plain_number, read_stored, why_no_number
from shared.system.errors import UserError, printable

STATE = "state_dict"
# what Lightning writes beside a state dict, of which nothing is lost
BOOKKEEPING = frozenset(
    {"epoch", "global_step", "pytorch-lightning_version", "loops", "callbacks", "lr_schedulers", "optimizer_states"}
    | {"hparams_name", "greedyhash", "MixedPrecision"}
)
_BUFFER, _FIRST, _SECOND, _STEP = "momentum_buffer", "exp_avg", "exp_avg_sq", "step"
_ADAMW = {_FIRST, _SECOND, _STEP}
_MOST_BATCHES = 2**40
_NO_NAMES = (
    "order unknown: nothing in the file says which parameter a buffer belongs to; "
    "SGD(model.named_parameters(), ...) makes PyTorch write the names"
)


class Training(NamedTuple):
    """``momentum`` by the optimiser's own names; ``metadata``; and in ``left_out`` why something is in neither.

    Of AdamW the momentum is its first moment, ``second`` has its second, and ``metadata`` the steps taken.
    """

    momentum: Mapping[str, Stored]
    metadata: dict
    left_out: dict[str, str]
    second: Mapping[str, Stored]


class _Unusable(Exception):
    """Why something is left out."""


def is_lightning(value: object) -> bool:
    """Whether ``value``, read from a PyTorch file, is a checkpoint of Lightning."""
    marks = ("optimizer_states", "loops", "pytorch-lightning_version")
    return isinstance(value, dict) and STATE in value and any(mark in value for mark in marks)


def read_training(value: dict, names: Sequence[str]) -> Training:
    """What a checkpoint of Lightning says of the training; ``names`` are its parameters' in the state dict's order."""
    momentum, second, metadata, left_out = {}, {}, {}, {}
    try:
        group, state = _optimizer(value)
        metadata["rate"] = plain_number(group.get("lr"))
        if why := why_no_number(group.get("lr")):
            left_out["learning rate"] = why
        if is_adamw := _is_adamw(group, state):
            metadata["steps"] = _steps(state)
            second = _momentum(group, state, names, value, _SECOND)
        momentum = _momentum(group, state, names, value, _FIRST if is_adamw else _BUFFER)
    except _Unusable as error:
        second, left_out["momentum"] = {}, str(error)
        metadata.pop("steps", None)
    try:
        metadata["epoch"] = _finished_epochs(value) or None
    except _Unusable as error:
        left_out["epoch"] = str(error)
    if not metadata.get("epoch"):
        metadata.pop("rate", None)  # that of an untrained model is the recipe's
    project_entry = value.get("greedyhash")
    return Training(
        momentum, {**(project_entry if isinstance(project_entry, dict) else {}), **metadata}, left_out, second
    )


def _optimizer(value: dict) -> tuple[dict, dict]:
    """The one parameter group and the states of its parameters by position."""
    optimizers = value.get("optimizer_states")
    if not isinstance(optimizers, list) or not optimizers:
        raise _Unusable("the file holds no optimiser")
    if len(optimizers) > 1:
        raise _Unusable(f"the file holds {len(optimizers)} optimisers")
    [optimizer] = optimizers
    groups, state = (_of(optimizer, key, kind) for key, kind in (("param_groups", list), ("state", dict)))
    if len(groups) != 1:
        raise _Unusable(f"the optimiser has {len(groups)} groups of parameters")
    return _typed(groups[0], dict), state


def _is_adamw(group: dict, state: dict) -> bool:
    """Adam, whose decay goes into its moments, keeps the same and is told by PyTorch's own mark in the group."""
    entries = [entry for entry in state.values() if isinstance(entry, dict)]
    return group.get("decoupled_weight_decay") is True and bool(entries) and all(e.keys() == _ADAMW for e in entries)


def _steps(state: dict) -> int:
    """The number of steps that AdamW took with every parameter; raises _Unusable."""
    try:
        counts = {float(read_stored(_typed(entry[_STEP], Stored), _STEP)) for entry in state.values()}
    except (TypeError, ValueError, UserError) as error:
        raise _Unusable("the file does not record AdamW's steps as PyTorch does") from error
    if len(counts) != 1 or not min(counts).is_integer() or not 0 <= min(counts) <= _MOST_BATCHES:
        raise _Unusable("AdamW took another number of steps with one parameter than with another, or no whole number")
    return int(counts.pop())


def _momentum(group: dict, state: dict, names: Sequence[str], value: dict, buffer: str) -> dict[str, Stored]:
    """Name -> ``buffer``; raises _Unusable."""
    buffers = _buffers(state, buffer)
    positions = _of(group, "params", list)
    if any(type(position) is not int for position in positions):
        raise _Unusable("the optimiser counts its parameters by no numbers")
    if len(buffers) != len(positions) or buffers.keys() != set(positions):
        raise _Unusable(f"the optimiser has momentum for {len(buffers)} of its {len(positions)} parameters")
    if "param_names" not in group and len(positions) != len(names):
        raise _Unusable(
            f"the optimiser has {len(positions)} of the file's {len(names)} parameters, without their names"
        )
    owners = _owners(group, names, value)
    if len(owners) != len(positions) or len(set(owners)) != len(owners):
        raise _Unusable(f"the optimiser has {len(positions)} parameters, and {len(set(owners))} are named")
    return {name: buffers[position] for name, position in zip(owners, positions, strict=True)}


def _buffers(state: dict, buffer: str) -> dict[int, Stored]:
    if not state:
        raise _Unusable("the optimiser holds none: it has taken no step, or works without momentum")
    entries = [_typed(entry, dict) for entry in state.values()]
    foreign = sorted(
        {key for entry in entries for key in entry if isinstance(key, str)}
        - (_ADAMW if buffer != _BUFFER else {_BUFFER})
    )
    if foreign:
        raise _Unusable(f"the optimiser keeps {printable(', '.join(foreign), 100)}, which is not SGD's momentum")
    buffers = {key: entry.get(buffer) for key, entry in zip(state, entries, strict=True)}
    if all(held is None for held in buffers.values()):
        raise _Unusable("the optimiser holds none: it works without momentum")
    return {key: held for key, held in buffers.items() if isinstance(held, Stored)}


def _owners(group: dict, names: Sequence[str], value: dict) -> Sequence[str]:
    """The parameters' names in the order of the optimiser."""
    if "param_names" in group:
        return [_typed(name, str) for name in _of(group, "param_names", list)]
    if _in_our_order(group, names, value):
        return names
    raise _Unusable(_NO_NAMES)


def _in_our_order(group: dict, names: Sequence[str], value: dict) -> bool:
    """Whether this project wrote the file, before it wrote names: then the order is that of the state dict.

    Its converter leaves an entry of its own; its training is known by coefficients that went through float32, which
    it alone does, together with all names in its own order.
    """
    if list(names) != [LIGHTNING_PREFIX + name for name in PARAMETERS]:
        return False
    return isinstance(value.get("greedyhash"), dict) or _went_through_float32(group.get("momentum"))


def _went_through_float32(number: object) -> bool:
    return isinstance(number, float) and 0 < number < 1 and float(f"{number:.6g}") != number == np.float32(number)


def _finished_epochs(value: dict) -> int:
    """How many epochs were finished when the file was written; raises _Unusable within one."""
    if "loops" not in value:
        raise _Unusable("the file does not say how many are finished")
    loop = _of(value.get("loops"), "fit_loop", dict)
    epochs = _of(loop.get("epoch_progress"), "current", dict)
    processed = _count(epochs, "processed")
    batches = loop.get("epoch_loop.batch_progress")
    if batches is None:
        return processed
    current, started = _of(batches, "current", dict), _count(epochs, "started")
    done = _count(current, "processed")
    if done == 0:
        return processed
    if batches.get("is_last_batch") is True and done == _count(current, "ready"):
        return started  # also before Lightning records the epoch's end, as after validation
    per_epoch = _batches_an_epoch(batches, current, started)
    of_them = f"{done} of {per_epoch} batches" if per_epoch else "1 batch" if done == 1 else f"{done} batches"
    raise _Unusable(f"in mid-epoch: after {of_them} of epoch {started}")


def _batches_an_epoch(batches: dict, current: dict, started: int) -> int | None:
    """Batches in an epoch, from its last batch or from the epochs before; None in the first epoch."""
    if batches.get("is_last_batch") is True:
        return _count(current, "ready")
    before = _count(_of(batches, "total", dict), "processed") - _count(current, "processed")
    if started < 2 or before % (started - 1) or before // (started - 1) <= _count(current, "processed"):
        return None
    return before // (started - 1)


def _of(holder: object, key: str, kind: type) -> object:
    return _typed(_typed(holder, dict).get(key), kind)


def _count(holder: dict, key: str) -> int:
    number = holder.get(key)
    if type(number) is not int or not 0 <= number <= _MOST_BATCHES:
        raise _Unusable("the file does not record it as Lightning does")
    return number


def _typed(value: object, kind: type) -> object:
    if not isinstance(value, kind):
        raise _Unusable("the file does not record it as Lightning does")
    return value
