"""Faults injected on one side, and the rung that must catch each: a check that cannot fail proves nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from compare.frameworks.records import SIDES
from compare.ladder import corruptions as c
from compare.ladder.corruptions import CorruptAnswer, CorruptRequest, OfSize

OTHER, REFERENCE = SIDES
_TF32_ROUNDING = 2.0**-11


@dataclass(frozen=True)
class Fault:
    """A fault: what goes wrong, the rung that must fail, and how request or answer of ``side`` are corrupted.

    A fault that may be larger or smaller has a ``size``, of which ``measure`` says what it is, and ``corruptions`` by
    size.
    """

    name: str
    what: str
    rung: str
    corrupt_request: CorruptRequest = c.keep_request
    corrupt_answer: CorruptAnswer = c.keep_answer
    side: str = REFERENCE
    size: float | None = None
    measure: str = ""
    corruptions: Callable[[float], dict[str, Any]] | None = None

    @property
    def touches_requests(self) -> bool:
        """Whether a framework must be asked again, rather than its answer be corrupted."""
        return self.corrupt_request is not c.keep_request

    def of_size(self, size: float) -> "Fault":
        """The same fault, larger or smaller; only of one that has a size."""
        return replace(self, size=size, **self.corruptions(size))


def _sized(
    size: float,
    measure: str,
    request: OfSize[CorruptRequest] | None = None,
    answer: OfSize[CorruptAnswer] | None = None,
) -> dict[str, Any]:
    """The fields of a fault that has a size."""
    kinds = {"corrupt_request": request, "corrupt_answer": answer}

    def corruptions(size: float) -> dict[str, Any]:
        return {kind: make(size) for kind, make in kinds.items() if make}

    return {"size": size, "measure": measure, "corruptions": corruptions, **corruptions(size)}


def _only(request: str, array: str) -> Callable[[str, str], bool]:
    return lambda *names: names == (request, array)


def _any(array: str) -> Callable[[str, str], bool]:
    return lambda _request, name: name == array


NO_FAULT = Fault("", "", "", side="")
FAULTS = {
    fault.name: fault
    for fault in (
        Fault("tf32", "TF32 is left on", "environment", corrupt_answer=c.tf32),
        Fault("shuffled-batch", "one batch is in another order", "split and order", c.shuffled_batch),
        Fault("native-resize", "the framework's own resize instead of ours", "pixels", c.injected("native-resize")),
        Fault("swapped-biases", "two biases of one shape are swapped", "weights", c.swapped_biases),
        Fault("missing-key", "a parameter is missing", "weights", corrupt_answer=c.without("weight.fc6.bias")),
        Fault("float64", "float64 where float32 was asked for", "weights", c.float64),
        Fault(
            "transposed-fc7",
            "the square weight of fc7 is transposed on the way in and on the way out",
            "forward",
            lambda _name, request, arrays: (request, c.transposed(arrays)),
            lambda _request, answer: c.transposed(answer),
        ),
        Fault(
            "coarse-layer",
            "one layer's output has the precision of TF32",
            "forward",
            **_sized(
                _TF32_ROUNDING,
                "the unit to which mantissas are rounded",
                answer=c.changed_by(_only("float32", "stage.fc6"), c.rounded),
            ),
        ),
        Fault(
            "wrong-stage",
            "one layer computes something else, and only for inputs of its own",
            "single step",
            side=OTHER,
            **_sized(
                1.0,
                "of the layer's largest output, added to one value",
                answer=c.changed_by(_only("stages", "stage.relu3"), c.first_raised),
            ),
        ),
        Fault(
            "coarse-both",
            "both sides compute one layer in the precision of TF32",
            "single step",
            side="both",
            **_sized(
                _TF32_ROUNDING,
                "the unit to which mantissas are rounded",
                answer=c.changed_by(
                    lambda request, name: request in ("float32", "stages") and name == "stage.fc6", c.rounded
                ),
            ),
        ),
        Fault(
            "no-penalty",
            "the penalty is left out of the loss",
            "losses",
            **_sized(1.0, "of the penalty is left out", c.less("penalty_weight")),
        ),
        Fault("summed-penalty", "the penalty is summed instead of averaged", "losses", c.summed_penalty),
        Fault("no-straight-through", "the sign passes no gradient", "gradients", c.injected("no-straight-through")),
        Fault(
            "nan-gradient",
            "one value of one gradient is not a number",
            "gradients",
            corrupt_answer=c.changed(_any("gradient.conv2.weight"), c.first_to(float("nan"))),
        ),
        Fault(
            "coarse-gradient",
            "one gradient has the precision of TF32",
            "gradients",
            side=OTHER,
            **_sized(
                _TF32_ROUNDING,
                "the unit to which mantissas are rounded",
                answer=c.changed_by(_only("flipfree", "gradient.fc6.weight"), c.rounded),
            ),
        ),
        Fault(
            "scaled-straight-through",
            "both sides scale the gradient through the sign alike",
            "straight-through",
            side="both",
            **_sized(1e-3, "too much", answer=c.changed_by(_any("gradient.feature"), c.scaled)),
        ),
        Fault(
            "scaled-gradient",
            "both sides scale one gradient of the smooth part alike",
            "finite differences",
            side="both",
            **_sized(1e-3, "too much", answer=c.changed_by(_only("smooth", "gradient.fc6.weight"), c.scaled)),
        ),
        Fault(
            "momentum-0.8",
            "momentum 0.8 instead of 0.9",
            "optimiser step",
            **_sized(1 / 9, "of the momentum is left out", c.less("momentum")),
        ),
        Fault(
            "no-decay",
            "weight decay is off",
            "optimiser step",
            **_sized(1.0, "of the weight decay is left out", c.less("weight_decay")),
        ),
        Fault("late-decay", "decay is applied after momentum", "optimiser step", c.injected("decay-after-momentum")),
        Fault("coupled-decay", "AdamW's decay goes into its moments", "optimiser step", c.injected("coupled-decay")),
        Fault("left-out-layer", "fc6 is left out of the optimiser", "optimiser step", c.injected("left-out-layer")),
        Fault("late-rate-drop", "the rate drops one epoch late", "optimiser steps", c.late_drop),
        Fault("reused-masks", "every step uses the masks of the first", "trajectory", c.reused_masks),
        Fault("last-place", "one weight differs by one unit in its last place", "same bits", c.last_place),
        Fault("summation-order", "a shared kernel adds in another order", "same bits", c.injected("summation-order")),
        Fault(
            "misread-rate",
            "the rate reported for one epoch is not the one used",
            "rates",
            corrupt_answer=c.changed(_any("learning_rates"), c.first_to(0.1)),
        ),
        Fault(
            "single-rate-drop",
            "the rate drops once and not again",
            "rates",
            corrupt_answer=c.changed(_any("learning_rates"), c.never_below_the_first_drop),
        ),
        Fault(
            "flipped-code-bit",
            "one bit of one code is flipped",
            "codes",
            corrupt_answer=c.changed(_only("trained", "features"), c.largest_flipped),
        ),
        Fault("other-label", "one item of the database has another label", "score", c.other_label),
        Fault(
            "lost-momentum",
            "momentum does not come along",
            "cross-resume",
            **_sized(1.0, "of the momentum does not come along", c.lost_momentum),
        ),
        Fault("exported-resize", "the exported model resizes as the framework does", "exported", c.exported_resize),
        Fault(
            "exported-weights",
            "another state is exported",
            "exported",
            side=OTHER,
            **_sized(1e-4, "added to the biases of the hash layer", c.exported_weights),
        ),
    )
}
