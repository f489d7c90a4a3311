"""What is in a checkpoint, as text."""

import numpy as np

from shared.checkpoint import weights
from shared.checkpoint.checkpoint import KINDS, Checkpoint
from shared.readers.trees import listed
from shared.system.errors import printable

_TOLD = ("epoch", "rate", "momentum")


def inspect(found: Checkpoint) -> str:
    """What ``--inspect`` prints."""
    unknown = "not in the file"
    epoch, rate, momentum = (printable(found.left_out.get(name, unknown) or "left out", 300) for name in _TOLD)
    lines = [
        f"form       {found.form}",
        f"network    {found.bits} bits, AlexNet {found.sizes}, {_count(found):,} numbers",
        f"epoch      {epoch if found.epoch is None else found.epoch}",
        f"rate       {rate if found.rate is None else f'{found.rate:g}'}",
        f"momentum   {'for every parameter' if found.momentum else momentum}",
        f"recipe     {'in the file' if found.recipe else unknown}",
    ]
    if beside := {name: why for name, why in found.left_out.items() if name not in _TOLD}:
        lines.append(f"left out   {listed(beside)}")
    lines.append(f"SHA-256    {weights.digest(found.weights)} (weights, neutral form)")
    if found.momentum:
        lines.append(f"           {weights.digest(found.momentum)} (momentum)")
    heading = f"{'parameter':<18}{'shape':<18}{'dtype':<9}{'min':>11}{'max':>11}{'mean':>11}{'std':>11}{'momentum':>11}"
    return "\n".join([*lines, "", heading, *(_row(found, name) for name in KINDS if name in found.weights)])


def _row(found: Checkpoint, name: str) -> str:
    array = found.weights[name]
    values = [array.min(), array.max(), array.mean(dtype=np.float64), array.std(dtype=np.float64)]
    # root mean square, as the sign of momentum says little
    values += [np.sqrt(np.mean(np.square(found.momentum[name], dtype=np.float64)))] if found.momentum else []
    shape = "x".join(map(str, array.shape))
    return f"{name:<18}{shape:<18}{array.dtype!s:<9}" + "".join(f"{value:>11.3g}" for value in values)


def _count(found: Checkpoint) -> int:
    return sum(array.size for array in found.weights.values())
