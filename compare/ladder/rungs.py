"""The rungs in the order of the ladder, and what each needs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from compare.ladder.exported_rung import exported
from compare.ladder.input_rungs import environment, pixels, split_and_order, weights
from compare.ladder.network_rungs import (
    finite_differences,
    forward,
    gradients,
    losses,
    single_step,
    straight_through,
)
from compare.ladder.records import Record
from compare.ladder.same_bits_rung import same_bits
from compare.ladder.session import LadderSession
from compare.ladder.training_rungs import (
    codes,
    cross_resume,
    optimiser_step,
    optimiser_steps,
    rates,
    score,
    trajectory,
)


class Rung(NamedTuple):
    """One check of the ladder: what it shows, the function that makes its records, and the requests it reads.

    ``run`` is given the rung's name and a session, and compares the answers to the requests in ``needs`` (names in
    ``REQUESTS``). It may run at any place of the order, and alone.
    """

    name: str
    shows: str
    run: Callable[[str, LadderSession], list[Record]]
    needs: tuple[str, ...]


_BOTH = ("float32", "float64")
_OPTIMISERS = (*_BOTH, "adamw float32", "adamw float64")
_STAGES = ("float32", "stages", "float64-stages")
_FLIPFREE = (*_BOTH, "float64-forward", "flipfree", "float64-flipfree")
_EXPORTED = ("float32", "trained", "float64-trained", "exported")
RUNGS = (
    Rung("environment", "both sides are there, in float32 without TF32", environment, needs=()),
    Rung("split and order", "the same images in the same order with the same masks", split_and_order, ("float32",)),
    Rung("pixels", "the same network input, bit for bit", pixels, ("float32",)),
    Rung("weights", "weights go in and come back bit for bit", weights, ("float32",)),
    Rung("forward", "every layer's output", forward, (*_BOTH, "float64-forward")),
    Rung("single step", "every layer's output from the other side's input", single_step, _STAGES),
    Rung("losses", "each loss term, and by its definition in NumPy", losses, _BOTH),
    Rung("gradients", "of all parameters, of the feature and of the pixels", gradients, _FLIPFREE),
    Rung(
        "straight-through", "the gradient through the sign is its closed form, at 0 too", straight_through, ("float64",)
    ),
    Rung("finite differences", "gradients of the smooth part are slopes of the loss", finite_differences, ("smooth",)),
    Rung("optimiser step", "one step, against NumPy", optimiser_step, _OPTIMISERS),
    Rung("optimiser steps", "many steps across a rate drop, against NumPy", optimiser_steps, _OPTIMISERS),
    Rung("trajectory", "training with dropout, in float64 lockstep", trajectory, _BOTH),
    Rung(
        "same bits", "float32 training with shared kernels, bit for bit", same_bits, ("same bits", "first difference")
    ),
    Rung("rates", "the rate of every epoch, read back from the optimiser", rates, ("float32",)),
    Rung("codes", "codes of a trained network", codes, ("trained", "float64-trained")),
    Rung("score", "the score of identical codes", score, ("score",)),
    Rung("cross-resume", "training begun in one framework goes on in the other", cross_resume, ("float64", "resumed")),
    Rung("exported", "exported models, ONNX among them, beside both networks", exported, _EXPORTED),
)


def rungs_called(names: Sequence[str]) -> tuple[Rung, ...]:
    """The rungs of these names, in their order, each once; hyphens may stand for spaces. KeyError for another name."""
    by_name = {hyphenated(rung.name): rung for rung in RUNGS}
    return tuple(by_name[name] for name in dict.fromkeys(map(hyphenated, names)))


def hyphenated(name: str) -> str:
    """A rung's name as one word.

    >>> hyphenated("split and order")
    'split-and-order'
    """
    return "-".join(name.split())
