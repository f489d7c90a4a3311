"""What the ladder asks of the two frameworks, in rounds: the second and third build on the answers to the first."""

import dataclasses

import numpy as np

from compare.frameworks.records import SIDES
from compare.ladder.flips import find_flips
from compare.ladder.session import Rig
from shared.system.errors import UserError
from shared.worker.probe import STAGE, WEIGHT, Arrays, Request, prefixed, take


def ask_first(rig: Rig) -> None:
    """Both dtypes from pixels to trajectory, and the smooth part of the loss with its slopes."""
    base = Request(rig.recipe, "float32", (), rates=rig.optimiser_rates, keep=rig.kept_steps)
    parts = dict.fromkeys(("float32", "float64"), ("weights", "forward", "gradients", "trajectory"))
    for dtype in rig.scale.optimiser_dtypes:
        parts[dtype] += ("optimizer",)
    parts["float32"] += ("facts", "pixels", "rates")
    float32 = dataclasses.replace(base, parts=parts["float32"], num_steps=rig.scale.steps)
    float64 = dataclasses.replace(base, parts=parts["float64"], num_steps=rig.scale.strict_steps, dtype="float64")
    smooth = dataclasses.replace(base, parts=("gradients", "differences"), dtype="float64")
    without_classifier = rig.inputs | {"weight.classifier.weight": 0 * rig.inputs["weight.classifier.weight"]}
    requests = {
        "float32": (float32, rig.inputs),
        "float64": (float64, rig.inputs),
        "smooth": (smooth, without_classifier),
    }
    rig.ask(dict.fromkeys(SIDES, requests))


def ask_second(rig: Rig) -> None:
    """Single stages, gradients without flipped decisions, codes and score of a trained network, resumed training."""
    recipe, inputs = rig.recipe, rig.inputs
    flipfree = Request(recipe, "float32", ("gradients",))
    trained = Request(recipe, "float32", ("codes",))
    score = Request(recipe, "float32", ("score",))
    requests = {
        "flipfree": (flipfree, inputs | _images_without_flips(rig)),
        "trained": (trained, inputs | prefixed(WEIGHT, trained_weights(rig))),
        "score": (score, inputs | _codes_to_score(recipe.seed)),
    }
    half = rig.scale.resume_step
    resumed = Request(
        recipe,
        "float64",
        ("trajectory",),
        first_step=half,
        num_steps=rig.scale.strict_steps - half,
        keep=(rig.scale.strict_steps,),
        rates=rig.optimiser_rates,
    )
    single = Request(recipe, "float32", ("stages",))
    requests["stages"] = single, inputs | _stage_inputs(rig.pair("float32")[1])
    begun = {side: take(rig.of(side, "float64"), f"trajectory.{half}.") for side in SIDES}
    rig.ask({side: requests | {"resumed": (resumed, inputs | begun[other])} for side, other in (SIDES, SIDES[::-1])})


def ask_third(rig: Rig) -> None:
    """The outputs of exported models of the trained network."""
    request = Request(rig.recipe, "float32", ("exported",))
    requests = {"exported": (request, rig.inputs | prefixed(WEIGHT, trained_weights(rig)))}
    rig.ask(dict.fromkeys(SIDES, requests))


def _images_without_flips(rig: Rig) -> Arrays:
    """The first batch without the images in which a decision fell differently."""
    flipped = {flip.image for flip in find_flips(*rig.pair("float32"))}
    kept = [image for image in range(rig.scale.batch) if image not in flipped]
    if not kept:
        raise UserError("every image of the first batch has a flipped float32 decision; expected at least one without")
    return {name: rig.inputs[name][:1, kept] for name in ("order", "mask6", "mask7")}


def _stage_inputs(answer: Arrays) -> Arrays:
    """For every stage the array that went into it: the output of the stage before."""
    outputs = take(answer, STAGE)
    before = [answer["input"], *list(outputs.values())[:-1]]
    return prefixed(STAGE, dict(zip(outputs, before, strict=True)))


def trained_weights(rig: Rig) -> Arrays:
    """The weights that the reference has after the float32 trajectory."""
    return take(rig.pair("float32")[1], f"trajectory.{rig.scale.steps}.{WEIGHT}")


def _codes_to_score(seed: int) -> Arrays:
    """Codes short enough to be full of ties."""
    generator = np.random.RandomState(seed)
    return {
        "score.queries": generator.rand(20, 8) > 0.5,
        "score.query_labels": generator.randint(0, 10, 20),
        "score.items": generator.rand(3000, 8) > 0.5,
        "score.labels": generator.randint(0, 10, 3000),
    }
