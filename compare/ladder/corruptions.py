"""Corruptions of requests and answers, of which the injected faults are made."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from shared.worker.probe import Arrays, Request

CorruptRequest = Callable[[str, Request, Arrays], tuple[Request, Arrays]]
CorruptAnswer = Callable[[str, Arrays], Arrays]
Change = Callable[[np.ndarray], np.ndarray]
T = TypeVar("T")
# a corruption by its size
OfSize = Callable[[float], T]
_FC7 = "fc7.weight"


def keep_request(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """No corruption."""
    return request, arrays


def keep_answer(_name: str, answer: Arrays) -> Arrays:
    """No corruption."""
    return answer


def less(field: str) -> OfSize[CorruptRequest]:
    """A setting of the recipe that lacks a share of its value."""

    def corruption(share: float) -> CorruptRequest:
        def corrupt(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
            value = (1 - share) * getattr(request.recipe, field)
            return replace(request, recipe=replace(request.recipe, **{field: value})), arrays

        return corrupt

    return corruption


def injected(name: str) -> CorruptRequest:
    """A fault of code that the framework's worker injects itself."""
    return lambda _name, request, arrays: (replace(request, fault=name), arrays)


def summed_penalty(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """The penalty as a sum over the batch."""
    total = request.recipe.penalty_weight * len(arrays["order"][0]) * request.recipe.bits
    return replace(request, recipe=replace(request.recipe, penalty_weight=total)), arrays


def late_drop(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """The learning rate dropped one epoch late."""
    late = replace(request.recipe, lr_drop_epoch=request.recipe.lr_drop_epoch + 1)
    rates = list(request.learning_rates)
    dropped = [step for step, rate in enumerate(rates) if rate != rates[0]]
    for step in dropped[: len(dropped) // 2 or 1]:
        rates[step] = rates[0]
    return replace(request, recipe=late, learning_rates=tuple(rates)), arrays


def float64(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """Another dtype than was asked for."""
    return (replace(request, dtype="float64") if name == "float32" else request), arrays


def swapped_biases(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """Two biases of one shape swapped."""
    a, b = "weight.conv4.bias", "weight.conv5.bias"
    return request, arrays | {a: arrays[b], b: arrays[a]}


def exported_resize(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """Another resize in the exported model."""
    return (replace(request, fault="exported-resize") if name == "exported" else request), arrays


def exported_weights(added: float) -> CorruptRequest:
    """Another bias of the hash layer in exported models."""
    bias = "weight.hash.bias"

    def corrupt(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
        return request, arrays | {bias: arrays[bias] + np.float32(added)} if name == "exported" else arrays

    return corrupt


def transposed(arrays: Arrays) -> Arrays:
    """The square weight transposed, which no shape reveals."""
    return {
        name: array.T.copy() if name.endswith((f"weight.{_FC7}", f"momentum.{_FC7}")) else array
        for name, array in arrays.items()
    }


def shuffled_batch(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """The last batch in reverse."""
    order = arrays["order"].copy()
    order[-1] = order[-1][::-1]
    return request, arrays | {"order": order}


def reused_masks(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """The masks of the first step in every step."""
    masks = {name: np.repeat(arrays[name][:1], len(arrays[name]), axis=0) for name in ("mask6", "mask7")}
    return request, arrays | masks


def last_place(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """One unit in the last place of one weight, where every bit is compared."""
    if name not in ("same bits", "first difference"):
        return request, arrays
    weight = arrays["weight.fc6.weight"].copy()
    weight.flat[0] = np.nextafter(weight.flat[0], np.float32(np.inf))
    return request, arrays | {"weight.fc6.weight": weight}


def lost_momentum(share: float) -> CorruptRequest:
    """Momentum of which a share does not come along when the other framework's training is continued."""

    def corrupt(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
        if name != "resumed":
            return request, arrays
        return request, {n: (1 - share) * a if n.startswith("momentum.") else a for n, a in arrays.items()}

    return corrupt


def other_label(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    """Another label of the first item of the database."""
    if name == "score":
        arrays["score.labels"] = np.where(
            np.arange(3000) == 0, (arrays["score.labels"] + 1) % 10, arrays["score.labels"]
        )
    return request, arrays


def changed(names: Callable[[str, str], bool], change: Change) -> CorruptAnswer:
    """Change the arrays of an answer for which ``names`` (of request and array) is true."""
    return lambda request, answer: {n: change(a) if names(request, n) else a for n, a in answer.items()}


def changed_by(names: Callable[[str, str], bool], change: OfSize[Change]) -> OfSize[CorruptAnswer]:
    """``changed`` by a change that has a size."""
    return lambda size: changed(names, change(size))


def first_to(value: float) -> Change:
    """Another first value."""

    def change(array: np.ndarray) -> np.ndarray:
        altered = array.copy()
        altered.flat[0] = value
        return altered

    return change


def first_raised(share: float) -> Change:
    """A share of the largest value added to the first."""
    return lambda array: first_to(array.flat[0] + share * np.abs(array).max())(array)


def scaled(share: float) -> Change:
    """All values larger by a share."""
    return lambda array: (1 + share) * array


def rounded(unit: float) -> Change:
    """Every value rounded to a mantissa, in [0.5, 1), of whole ``unit``: 2**-11 is TF32."""

    def change(array: np.ndarray) -> np.ndarray:
        mantissa, exponent = np.frexp(array)
        return np.ldexp(np.round(mantissa / unit) * unit, exponent).astype(array.dtype)

    return change


def largest_flipped(logits: np.ndarray) -> np.ndarray:
    """The largest value with the other sign."""
    altered = logits.copy()
    altered.flat[np.abs(altered).argmax()] *= -1
    return altered


def never_below_the_first_drop(rates: np.ndarray) -> np.ndarray:
    """Learning rates that drop once and not again."""
    return np.maximum(rates, rates[rates < rates[0]].max())


def tf32(request: str, answer: dict) -> dict:
    """An environment in which TF32 is on."""
    if request == "environment":
        answer["variables"]["NVIDIA_TF32_OVERRIDE"] = None
    return answer


def without(name: str) -> CorruptAnswer:
    """An answer that lacks one array."""
    return lambda _request, answer: {n: a for n, a in answer.items() if n != name}
