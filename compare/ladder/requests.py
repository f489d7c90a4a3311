"""The requests the rungs name: what each asks of a framework, and which other answers it builds on."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from compare.ladder.flips import find_flips
from compare.ladder.same_bits_inputs import first_difference, same_bits_request
from compare.ladder.setup import Setup, adamw_start
from shared.system.errors import UserError
from shared.worker.probe import STAGE, WEIGHT, Arrays, Request, prefixed, take

# (side, name of a request) -> what that framework answered
Answers = Mapping[tuple[str, str], Arrays]


class Planned(NamedTuple):
    """A request to come. ``make``: from the setup, the answers to the requests in ``needs``, and the side asked.

    ``batched``: asked along with others of which the answers are not needed yet, to start fewer processes; a slow one
    is left until its rung is reached, which a ladder that fails before never does. ``of_both``: both sides are asked,
    else the reference alone. ``on_cpu``: computed on the CPU, whatever the ladder's device is, as a result that others
    are judged by.
    """

    make: Callable[[Setup, Answers, str], tuple[Request, Arrays]]
    needs: tuple[str, ...] = ()
    batched: bool = True
    of_both: bool = True
    on_cpu: bool = False


def with_needs(names: Iterable[str]) -> list[str]:
    """The requests ``names`` and all that these build on, in the order of ``REQUESTS``."""
    wanted, new = set(), set(names)
    while new:
        wanted |= new
        new = {need for name in new for need in REQUESTS[name].needs} - wanted
    return [name for name in REQUESTS if name in wanted]


def trained_weights(setup: Setup, answers: Answers) -> Arrays:
    """The weights that the reference has after the float32 trajectory."""
    return take(answers[setup.reference, "float32"], f"trajectory.{setup.scale.steps}.{WEIGHT}")


def _both_dtypes(setup: Setup, dtype: str, steps: int, more: tuple[str, ...]) -> tuple[Request, Arrays]:
    parts = ("weights", "forward", "gradients", "trajectory")
    if dtype in setup.scale.optimiser_dtypes:
        parts += ("optimizer",)
    request = Request(setup.recipe, dtype, parts + more, num_steps=steps, saved_steps=setup.saved_steps)
    return dataclasses.replace(request, learning_rates=setup.learning_rates), setup.arrays


def _float32(setup: Setup, _answers: Answers, _side: str) -> tuple[Request, Arrays]:
    """From pixels to trajectory."""
    return _both_dtypes(setup, "float32", setup.scale.steps, ("inputs", "pixels", "learning_rates", "image_losses"))


def _float64(setup: Setup, _answers: Answers, _side: str) -> tuple[Request, Arrays]:
    return _both_dtypes(setup, "float64", setup.scale.strict_steps, ())


def _adamw(dtype: str, setup: Setup, _answers: Answers, _side: str) -> tuple[Request, Arrays]:
    """The same steps by AdamW alone."""
    recipe, arrays = adamw_start(setup)
    parts = ("optimizer",) if dtype in setup.scale.optimiser_dtypes else ()
    rates = setup.learning_rates
    return Request(recipe, dtype, parts, saved_steps=(1, len(rates)), learning_rates=rates), arrays


def _smooth(setup: Setup, _answers: Answers, _side: str) -> tuple[Request, Arrays]:
    """The smooth part of the loss, which is what is left of it where the classifier is 0, with its slopes."""
    name = "weight.classifier.weight"
    request = Request(setup.recipe, "float64", ("gradients", "differences"))
    return request, setup.arrays | {name: 0 * setup.arrays[name]}


def _score(setup: Setup, _answers: Answers, _side: str) -> tuple[Request, Arrays]:
    """Codes short enough to be full of ties."""
    generator = np.random.RandomState(setup.recipe.seed)
    codes = {
        "score.queries": generator.rand(20, 8) > 0.5,
        "score.query_labels": generator.randint(0, 10, 20),
        "score.items": generator.rand(3000, 8) > 0.5,
        "score.labels": generator.randint(0, 10, 3000),
    }
    return Request(setup.recipe, "float32", ("score",)), setup.arrays | codes


def _forward(setup: Setup, _answers: Answers, _side: str) -> tuple[Request, Arrays]:
    return Request(setup.recipe, "float64", ("forward",)), setup.arrays


def _stages(dtype: str, setup: Setup, answers: Answers, _side: str) -> tuple[Request, Arrays]:
    """Every stage alone, on what went into it in the reference in float32: the output of the stage before."""
    answer = answers[setup.reference, "float32"]
    outputs = take(answer, STAGE)
    before = [answer["input"], *list(outputs.values())[:-1]]
    inputs = prefixed(STAGE, dict(zip(outputs, before, strict=True)))
    return Request(setup.recipe, dtype, ("stages",)), setup.arrays | inputs


def _flipfree(dtype: str, setup: Setup, answers: Answers, _side: str) -> tuple[Request, Arrays]:
    """Gradients of the first batch without the images in which a decision of either side differs from float64."""
    exact = answers[setup.reference, "float64-forward"]
    flipped = {flip.image for side in setup.sides for flip in find_flips(answers[side, "float32"], exact)}
    without_flips = [image for image in range(setup.scale.batch) if image not in flipped]
    if not without_flips:
        raise UserError("every image of the first batch has a flipped float32 decision; expected at least one without")
    batch = {name: setup.arrays[name][:1, without_flips] for name in ("order", "mask6", "mask7")}
    return Request(setup.recipe, dtype, ("gradients",)), setup.arrays | batch


def _trained(part: str, dtype: str, setup: Setup, answers: Answers, _side: str) -> tuple[Request, Arrays]:
    """One part of the network with the weights of the float32 trajectory."""
    weights = prefixed(WEIGHT, trained_weights(setup, answers))
    return Request(setup.recipe, dtype, (part,)), setup.arrays | weights


def _resumed(setup: Setup, answers: Answers, side: str) -> tuple[Request, Arrays]:
    """The second half of the float64 trajectory, from the state that the other framework reached."""
    half, last = setup.scale.resume_step, setup.scale.strict_steps
    request = Request(setup.recipe, "float64", ("trajectory",), first_step=half, num_steps=last - half)
    state = take(answers[setup.beside(side), "float64"], f"trajectory.{half}.")
    return dataclasses.replace(request, saved_steps=(last,), learning_rates=setup.learning_rates), setup.arrays | state


def _same_bits(setup: Setup, _answers: Answers, _side: str) -> tuple[Request, Arrays]:
    return same_bits_request(setup.scale, setup.recipe.bits)


def _first_difference(setup: Setup, answers: Answers, _side: str) -> tuple[Request, Arrays]:
    """The same training up to the first step that differed, whose state is saved; nothing where none did."""
    request, arrays = same_bits_request(setup.scale, setup.recipe.bits)
    step = first_difference(*(answers[side, "same bits"] for side in setup.sides)) or 0
    return dataclasses.replace(request, num_steps=step, saved_steps=(step,)), arrays


_FLIPS = ("float32", "float64-forward")
# each after those it builds on
REQUESTS = {
    "float32": Planned(_float32),
    "float64": Planned(_float64),
    "adamw float32": Planned(partial(_adamw, "float32")),
    "adamw float64": Planned(partial(_adamw, "float64")),
    "float64-forward": Planned(_forward, of_both=False, on_cpu=True),
    "same bits": Planned(_same_bits, on_cpu=True),
    "smooth": Planned(_smooth),
    "score": Planned(_score),
    "stages": Planned(partial(_stages, "float32"), needs=("float32",)),
    "float64-stages": Planned(partial(_stages, "float64"), needs=("float32",), on_cpu=True),
    "flipfree": Planned(partial(_flipfree, "float32"), needs=_FLIPS),
    "float64-flipfree": Planned(partial(_flipfree, "float64"), needs=_FLIPS, on_cpu=True),
    "first difference": Planned(_first_difference, needs=("same bits",), on_cpu=True),
    "trained": Planned(partial(_trained, "codes", "float32"), needs=("float32",)),
    "float64-trained": Planned(partial(_trained, "codes", "float64"), needs=("float32",), on_cpu=True),
    "resumed": Planned(_resumed, needs=("float64",)),
    "exported": Planned(partial(_trained, "exported", "float32"), needs=("float32",), batched=False),
}
