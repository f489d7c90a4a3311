"""Faults injected on one side, and the rung that must catch each: a check that cannot fail proves nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from compare.frameworks.records import SIDES
from shared.worker.probe import Arrays, Request

OTHER, REFERENCE = SIDES
CorruptRequest = Callable[[str, Request, Arrays], tuple[Request, Arrays]]
CorruptAnswer = Callable[[str, Arrays], Arrays]
_FC7 = "fc7.weight"


def _keep_request(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    return request, arrays


def _keep_answer(_name: str, answer: Arrays) -> Arrays:
    return answer


@dataclass(frozen=True)
class Fault:
    """A fault: what goes wrong, the rung that must fail, and how request or answer of ``side`` are corrupted."""

    name: str
    what: str
    rung: str
    corrupt_request: CorruptRequest = _keep_request
    corrupt_answer: CorruptAnswer = _keep_answer
    side: str = REFERENCE

    @property
    def touches_requests(self) -> bool:
        """Whether a framework must be asked again, rather than its answer be corrupted."""
        return self.corrupt_request is not _keep_request


def _recipe(**changes: float) -> CorruptRequest:
    return lambda _name, request, arrays: (replace(request, recipe=replace(request.recipe, **changes)), arrays)


def _injected(name: str) -> CorruptRequest:
    return lambda _name, request, arrays: (replace(request, fault=name), arrays)


def _summed_penalty(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    total = request.recipe.penalty_weight * len(arrays["order"][0]) * request.recipe.bits
    return replace(request, recipe=replace(request.recipe, penalty_weight=total)), arrays


def _late_drop(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    late = replace(request.recipe, lr_drop_epoch=request.recipe.lr_drop_epoch + 1)
    rates = list(request.learning_rates)
    dropped = [step for step, rate in enumerate(rates) if rate != rates[0]]
    for step in dropped[: len(dropped) // 2 or 1]:
        rates[step] = rates[0]
    return replace(request, recipe=late, learning_rates=tuple(rates)), arrays


def _float64(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    return (replace(request, dtype="float64") if name == "float32" else request), arrays


def _swapped_biases(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    a, b = "weight.conv4.bias", "weight.conv5.bias"
    return request, arrays | {a: arrays[b], b: arrays[a]}


def _exported_resize(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    return (replace(request, fault="exported-resize") if name == "exported" else request), arrays


def _exported_weights(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    bias = "weight.hash.bias"
    return request, arrays | {bias: arrays[bias] + np.float32(1e-4)} if name == "exported" else arrays


def _transposed(arrays: Arrays) -> Arrays:
    return {
        name: array.T.copy() if name.endswith((f"weight.{_FC7}", f"momentum.{_FC7}")) else array
        for name, array in arrays.items()
    }


def _shuffled_batch(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    order = arrays["order"].copy()
    order[-1] = order[-1][::-1]
    return request, arrays | {"order": order}


def _reused_masks(_name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    masks = {name: np.repeat(arrays[name][:1], len(arrays[name]), axis=0) for name in ("mask6", "mask7")}
    return request, arrays | masks


def _lost_momentum(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    if name != "resumed":
        return request, arrays
    return request, {key: 0 * array if key.startswith("momentum.") else array for key, array in arrays.items()}


def _other_label(name: str, request: Request, arrays: Arrays) -> tuple[Request, Arrays]:
    if name == "score":
        arrays["score.labels"] = np.where(
            np.arange(3000) == 0, (arrays["score.labels"] + 1) % 10, arrays["score.labels"]
        )
    return request, arrays


def _changed(
    names: Callable[[str, str], bool], change: Callable[[np.ndarray], np.ndarray]
) -> Callable[[str, Arrays], Arrays]:
    return lambda request, answer: {n: change(a) if names(request, n) else a for n, a in answer.items()}


def _first_to(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        changed.flat[0] = value
        return changed

    return change


def _never_below_the_first_drop(rates: np.ndarray) -> np.ndarray:
    return np.maximum(rates, rates[rates < rates[0]].max())


def _flip_largest(logits: np.ndarray) -> np.ndarray:
    changed = logits.copy()
    changed.flat[np.abs(changed).argmax()] *= -1
    return changed


def _tf32(request: str, answer: dict) -> dict:
    if request == "environment":
        answer["variables"]["NVIDIA_TF32_OVERRIDE"] = None
    return answer


def _without(name: str) -> CorruptAnswer:
    return lambda _request, answer: {n: a for n, a in answer.items() if n != name}


NO_FAULT = Fault("", "", "", side="")
FAULTS = {
    fault.name: fault
    for fault in (
        Fault("tf32", "TF32 is left on", "environment", corrupt_answer=_tf32),
        Fault("shuffled-batch", "one batch is in another order", "split and order", _shuffled_batch),
        Fault("native-resize", "the framework's own resize instead of ours", "pixels", _injected("native-resize")),
        Fault("swapped-biases", "two biases of one shape are swapped", "weights", _swapped_biases),
        Fault("missing-key", "a parameter is missing", "weights", corrupt_answer=_without("weight.fc6.bias")),
        Fault("float64", "float64 where float32 was asked for", "weights", _float64),
        Fault(
            "transposed-fc7",
            "the square weight of fc7 is transposed on the way in and on the way out",
            "forward",
            lambda _name, request, arrays: (request, _transposed(arrays)),
            lambda _request, answer: _transposed(answer),
        ),
        Fault(
            "wrong-stage",
            "one layer computes something else, and only for inputs of its own",
            "single step",
            corrupt_answer=_changed(lambda request, name: (request, name) == ("stages", "stage.relu3"), _first_to(1.0)),
            side=OTHER,
        ),
        Fault("no-penalty", "the penalty is left out of the loss", "losses", _recipe(penalty_weight=0.0)),
        Fault("summed-penalty", "the penalty is summed instead of averaged", "losses", _summed_penalty),
        Fault("no-straight-through", "the sign passes no gradient", "gradients", _injected("no-straight-through")),
        Fault(
            "nan-gradient",
            "one value of one gradient is not a number",
            "gradients",
            corrupt_answer=_changed(lambda _request, name: name == "gradient.conv2.weight", _first_to(float("nan"))),
        ),
        Fault(
            "scaled-straight-through",
            "both sides scale the gradient through the sign alike",
            "straight-through",
            corrupt_answer=_changed(lambda _request, name: name == "gradient.feature", lambda array: 1.001 * array),
            side="both",
        ),
        Fault(
            "scaled-gradient",
            "both sides scale one gradient of the smooth part alike",
            "finite differences",
            corrupt_answer=_changed(
                lambda r, name: (r, name) == ("smooth", "gradient.fc6.weight"), lambda a: 1.001 * a
            ),
            side="both",
        ),
        Fault("momentum-0.8", "momentum 0.8 instead of 0.9", "optimiser step", _recipe(momentum=0.8)),
        Fault("no-decay", "weight decay is off", "optimiser step", _recipe(weight_decay=0.0)),
        Fault("late-decay", "decay is applied after momentum", "optimiser step", _injected("decay-after-momentum")),
        Fault("left-out-layer", "fc6 is left out of the optimiser", "optimiser step", _injected("left-out-layer")),
        Fault("late-rate-drop", "the rate drops one epoch late", "optimiser steps", _late_drop),
        Fault("reused-masks", "every step uses the masks of the first", "trajectory", _reused_masks),
        Fault(
            "misread-rate",
            "the rate reported for one epoch is not the one used",
            "rates",
            corrupt_answer=_changed(lambda _request, name: name == "learning_rates", _first_to(0.1)),
        ),
        Fault(
            "single-rate-drop",
            "the rate drops once and not again",
            "rates",
            corrupt_answer=_changed(lambda _request, name: name == "learning_rates", _never_below_the_first_drop),
        ),
        Fault(
            "flipped-code-bit",
            "one bit of one code is flipped",
            "codes",
            corrupt_answer=_changed(lambda request, name: (request, name) == ("trained", "features"), _flip_largest),
        ),
        Fault("other-label", "one item of the database has another label", "score", _other_label),
        Fault("lost-momentum", "momentum does not come along", "cross-resume", _lost_momentum),
        Fault("exported-resize", "the exported model resizes as the framework does", "exported", _exported_resize),
        Fault("exported-weights", "another state is exported", "exported", _exported_weights, side=OTHER),
    )
}
