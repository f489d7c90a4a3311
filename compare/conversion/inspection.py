"""What is in a checkpoint, as text."""

import numpy as np

from shared.checkpoint import weights
from shared.checkpoint.checkpoint import KINDS, Checkpoint
from shared.readers.trees import listed
from shared.system.errors import printable

_TRAINING_STATE = ("epoch", "learning rate", "momentum")


def inspect(checkpoint: Checkpoint) -> str:
    """The text that ``--inspect`` prints."""
    unknown = "not in the file"
    reasons = [checkpoint.left_out.get(name, unknown) or "left out" for name in _TRAINING_STATE]
    epoch, learning_rate, momentum = (printable(reason, 300) for reason in reasons)
    lines = [
        f"form       {checkpoint.form}",
        f"network    {checkpoint.bits} bits, AlexNet {checkpoint.sizes}, {_count(checkpoint):,} numbers",
        f"epoch      {epoch if checkpoint.epoch is None else checkpoint.epoch}",
        *([f"chosen     {printable(checkpoint.chosen, 100)}"] if checkpoint.chosen else []),
        f"rate       {learning_rate if checkpoint.learning_rate is None else f'{checkpoint.learning_rate:g}'}",
        f"momentum   {'for every parameter' if checkpoint.momentum else momentum}",
        f"recipe     {'in the file' if checkpoint.recipe else unknown}",
    ]
    if beside := {name: why for name, why in checkpoint.left_out.items() if name not in _TRAINING_STATE}:
        lines.append(f"left out   {listed(beside)}")
    lines.append(f"SHA-256    {weights.digest(checkpoint.weights)} (weights, neutral form)")
    if checkpoint.momentum:
        lines.append(f"           {weights.digest(checkpoint.momentum)} (momentum)")
    if checkpoint.second_moment:
        lines.append(f"           {weights.digest(checkpoint.second_moment)} (second moment, {checkpoint.steps} steps)")
    heading = f"{'parameter':<18}{'shape':<18}{'dtype':<9}{'min':>11}{'max':>11}{'mean':>11}{'std':>11}{'momentum':>11}"
    return "\n".join([*lines, "", heading, *(_row(checkpoint, name) for name in KINDS if name in checkpoint.weights)])


def _row(checkpoint: Checkpoint, name: str) -> str:
    array = checkpoint.weights[name]
    values = [array.min(), array.max(), array.mean(dtype=np.float64), array.std(dtype=np.float64)]
    # root mean square, as the sign of momentum says little
    values += [np.sqrt(np.mean(np.square(checkpoint.momentum[name], dtype=np.float64)))] if checkpoint.momentum else []
    shape = "x".join(map(str, array.shape))
    return f"{name:<18}{shape:<18}{array.dtype!s:<9}" + "".join(f"{value:>11.3g}" for value in values)


def _count(checkpoint: Checkpoint) -> int:
    return sum(array.size for array in checkpoint.weights.values())
