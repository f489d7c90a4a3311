"""The rungs of the alignment ladder, from the environment to a trained network, each a list of records."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from compare.frameworks.records import SIDES
from compare.ladder import numpy_reference as witness
from compare.ladder.exported_rung import exported
from compare.ladder.flips import find_flips
from compare.ladder.limits import LIMITS
from compare.ladder.records import Record, check, compare, compare_sets
from compare.ladder.rounds import ask_first, ask_second
from compare.ladder.session import Rig
from shared.worker.probe import GRADIENT, STAGE, Arrays, directions, prefixed, take

LOSSES = ("cross_entropy", "penalty", "loss")


class Rung(NamedTuple):
    """A rung: what it shows, and the function that climbs it."""

    name: str
    shows: str
    climb: Callable[[str, Rig], list[Record]]


def environment(rung: str, rig: Rig) -> list[Record]:
    """Both frameworks answer, in float32, with TF32 off."""
    facts = {side: rig.environment(side) for side in SIDES}
    records = []
    for side, environment in facts.items():
        tf32 = environment["variables"]["NVIDIA_TF32_OVERRIDE"]
        precision = environment["precision"]
        switches = [value for name, value in precision.items() if name.endswith(("tf32", "switch"))]
        records.append(check(rung, f"{side}: is {side}", environment["framework"] == side))
        records.append(check(rung, f"{side}: TF32 off", tf32 == "0" and not any(switches), f"override {tf32}"))
        records.append(check(rung, f"{side}: float32", precision["dtype"] == "float32"))
        records.append(check(rung, f"{side}: fp32", precision["precision"] == "fp32"))
    return records


def split_and_order(rung: str, rig: Rig) -> list[Record]:
    """Split, batch order, masks and initial weights, each made in its own process, are the same."""
    ask_first(rig)
    names = ("query", "train", "database", "batch order", "order", "dropout masks", "initial weights")
    ours, reference = ({name: answer[name] for name in names} for answer in rig.pair("float32"))
    return compare_sets(rung, ours, reference, "exact")


def pixels(rung: str, rig: Rig) -> list[Record]:
    """Upsampled and normalised pixels are the same to the bit."""
    ours, reference = rig.pair("float32")
    names = ("upsampled", "normalised")
    return compare_sets(rung, {n: ours[n] for n in names}, {n: reference[n] for n in names}, "exact")


def weights(rung: str, rig: Rig) -> list[Record]:
    """Weights come back from each framework as they went in."""
    sent = prefixed("weight.", take(rig.inputs, "weight."))
    records = []
    for side in SIDES:
        returned = prefixed("weight.", take(rig.of(side, "float32"), "weight."))
        records += [r._replace(name=f"{side}: {r.name}") for r in compare_sets(rung, returned, sent, "exact")]
    return records


def forward(rung: str, rig: Rig) -> list[Record]:
    """Every stage of the training pass, with the errors of the stages before it."""
    records = []
    for dtype in ("float32", "float64"):
        ours, reference = (prefixed(f"{dtype} ", take(answer, STAGE)) for answer in rig.pair(dtype))
        layers = ({n: array for n, array in side.items() if n != f"{dtype} sign"} for side in (ours, reference))
        records += compare_sets(rung, *layers, f"forward {dtype}")
        records += _sign_records(rung, ours, reference, dtype)
    return records


def _sign_records(rung: str, ours: Arrays, reference: Arrays, dtype: str) -> list[Record]:
    """Codes must agree except where the feature lies nearer to 0 than the forward difference allows."""
    name, feature = f"{dtype} sign", reference[f"{dtype} hash"]
    differing = ours[name] != reference[name]
    margin = float(np.abs(feature[differing]).max(initial=0.0))
    allowed = LIMITS[f"forward {dtype}"].value * float(np.abs(feature).max())
    return [check(rung, name, margin <= allowed, f"{int(differing.sum())} of {differing.size} bits differ")]


def single_step(rung: str, rig: Rig) -> list[Record]:
    """Each stage of one side fed with the other side's input: a local error is told from an inherited one."""
    ask_second(rig)
    ours = take(rig.pair("stages")[0], STAGE)
    reference = {name: rig.pair("float32")[1][STAGE + name] for name in ours}
    return compare_sets(rung, ours, reference, "forward float32")


def losses(rung: str, rig: Rig) -> list[Record]:
    """Each loss term agrees between the sides and with its definition."""
    labels = rig.inputs["labels"][rig.inputs["order"][0]]
    records = []
    for dtype in ("float32", "float64"):
        ours, reference = ({f"{dtype} {n}": answer[n] for n in LOSSES} for answer in rig.pair(dtype))
        records += compare_sets(rung, ours, reference, f"loss {dtype}")
        for side in SIDES:
            answer = rig.of(side, dtype)
            for name, value in witness.losses(answer, labels, rig.recipe.penalty_weight).items():
                exact = np.asarray(value, answer[name].dtype)
                label = f"{side} {dtype} {name}, by its definition"
                records.append(compare(rung, label, answer[name], exact, f"loss {dtype}"))
    return records


def gradients(rung: str, rig: Rig) -> list[Record]:
    """Gradients agree in float64, and in float32 for images in which no decision flipped."""
    ours, reference = (prefixed("float64 ", take(answer, GRADIENT)) for answer in rig.pair("float64"))
    records = compare_sets(rung, ours, reference, "gradient float64")
    ours, reference = (prefixed("float32 ", take(answer, GRADIENT)) for answer in rig.pair("flipfree"))
    return records + compare_sets(rung, ours, reference, "gradient float32") + _flip_records(rung, rig)


def _flip_records(rung: str, rig: Rig) -> list[Record]:
    """Every flipped decision of the float32 pass must have been too near to call."""
    ours, reference = rig.pair("float32")
    records = []
    for flip in find_flips(ours, reference):
        scale = float(np.abs(reference[STAGE + flip.stage]).max())
        allowed = LIMITS["forward float32"].value * scale
        note = f"{flip.kind} flipped: values {flip.values[0]:.3g} and {flip.values[1]:.3g}, margin {flip.margin:.2g}"
        name = f"{flip.stage} image {flip.image} unit {flip.unit}"
        records.append(Record(rung, name, flip.margin <= allowed, allowed, max_abs=flip.margin, note=note))
    return records


def straight_through(rung: str, rig: Rig) -> list[Record]:
    """The gradient of the feature is the closed form of a straight-through sign."""
    labels = rig.inputs["labels"][rig.inputs["order"][0]]
    records = []
    for side in SIDES:
        answer = rig.of(side, "float64")
        expected = witness.feature_gradient(answer, rig.inputs, labels, rig.recipe.penalty_weight)
        zero = answer["feature"] == 0
        records.append(compare(rung, f"{side} dL/dh", answer["gradient.feature"], expected, "closed form"))
        at_zero = answer["gradient.feature"][zero], expected[zero]
        records.append(compare(rung, f"{side} dL/dh where h = 0", *at_zero, "closed form"))
        records.append(check(rung, f"{side} has features at 0", zero.any() and np.abs(expected[zero]).min() > 0))
    return records


def finite_differences(rung: str, rig: Rig) -> list[Record]:
    """Where the classifier is 0 the loss is smooth, and its slopes are the gradients, relative to their length."""
    limit, records = LIMITS["finite differences"].value, []
    for side in SIDES:
        answer = rig.of(side, "smooth")
        for name, direction in directions(rig.recipe).items():
            gradient = answer[GRADIENT + name]
            error = abs(float(answer[f"slope.{name}"] - (gradient * direction).sum())) / float(np.linalg.norm(gradient))
            records.append(Record(rung, f"{side} {name}", error <= limit, limit, max_relative=error))
    return records


def optimiser_step(rung: str, rig: Rig) -> list[Record]:
    """One step with given gradients and momentum."""
    return _optimiser(rung, rig, 1)


def optimiser_steps(rung: str, rig: Rig) -> list[Record]:
    """Steps with given gradients across a rate drop."""
    return _optimiser(rung, rig, len(rig.optimiser_rates))


def _optimiser(rung: str, rig: Rig, steps: int) -> list[Record]:
    records = []
    for dtype in rig.scale.optimiser_dtypes:
        expected = witness.optimiser_state(rig.recipe, rig.inputs, rig.optimiser_rates[:steps], dtype)
        for side in SIDES:
            state = take(rig.of(side, dtype), f"optimizer.{steps}.")
            compared = compare_sets(rung, state, expected, f"optimiser {dtype}")
            records += [record._replace(name=f"{side} {dtype} {record.name}") for record in compared]
    return records


def trajectory(rung: str, rig: Rig) -> list[Record]:
    """Training in lockstep: weights and momentum at chosen steps, and code bits at every step."""
    ours, reference = rig.pair("float64")
    records = []
    for step in rig.kept_steps:
        both = (prefixed(f"step {step} ", take(answer, f"trajectory.{step}.")) for answer in (ours, reference))
        records += compare_sets(rung, *both, "trajectory float64")
    differing = (ours["trajectory.codes"] != reference["trajectory.codes"]).any(axis=(1, 2))
    first = int(differing.argmax()) + 1 if differing.any() else None
    note = f"first at step {first}" if first else f"none in {len(differing)} steps"
    return [*records, check(rung, "float64 code bits that differ", first is None, note), *_growth(rung, rig)]


def _growth(rung: str, rig: Rig) -> list[Record]:
    """How a float32 difference grows: reported, not judged, since one flipped decision parts two trajectories."""
    ours, reference = rig.pair("float32")
    records = []
    for step in (step for step in rig.kept_steps if step <= rig.scale.steps):
        both = [take(answer, f"trajectory.{step}.weight.") for answer in (ours, reference)]
        relative = max(float(np.abs(both[0][n] - both[1][n]).max() / np.abs(both[1][n]).max()) for n in both[1])
        bits = int((ours["trajectory.codes"][:step] != reference["trajectory.codes"][:step]).sum())
        note = f"reported only; {bits} training code bits differed so far"
        records.append(Record(rung, f"float32 weights after step {step}", True, None, max_relative=relative, note=note))
    return records


def rates(rung: str, rig: Rig) -> list[Record]:
    """The rate that the optimiser holds in every epoch of the recipe, by the published formula."""
    expected = witness.rates(rig.recipe)
    name = "rate of every epoch"
    return [compare(rung, f"{side}: {name}", rig.of(side, "float32")["rates"], expected, "exact") for side in SIDES]


def codes(rung: str, rig: Rig) -> list[Record]:
    """A trained network gives the same codes, but for bits too near to 0 to call."""
    ours, reference = (answer["features"] for answer in rig.pair("trained"))
    scale = float(np.abs(reference).max())
    records = [compare(rung, "features of a trained network", ours, reference, "forward float32")]
    differing = np.argwhere((ours > 0) != (reference > 0))
    limit = LIMITS["code margin"].value
    for image, bit in differing:
        margin = float(min(abs(ours[image, bit]), abs(reference[image, bit])) / scale)
        records.append(Record(rung, f"image {image} bit {bit} differs", margin <= limit, limit, max_relative=margin))
    return records


def score(rung: str, rig: Rig) -> list[Record]:
    """The score of the same codes, computed in either process."""
    names = ("average precision", "best", "worst")
    ours, reference = ({name: answer[name] for name in names} for answer in rig.pair("score"))
    return compare_sets(rung, ours, reference, "exact")


def cross_resume(rung: str, rig: Rig) -> list[Record]:
    """The second half of a trajectory, from the other framework's state, ends where that framework ended."""
    records = []
    last = rig.scale.strict_steps
    for side, other in (SIDES, SIDES[::-1]):
        ours = take(rig.of(side, "resumed"), f"trajectory.{last}.")
        whole = take(rig.of(other, "float64"), f"trajectory.{last}.")
        compared = compare_sets(rung, ours, whole, "trajectory float64")
        records += [record._replace(name=f"{other}, then {side}: {record.name}") for record in compared]
    return records


RUNGS = (
    Rung("environment", "both frameworks are there, in float32 without TF32", environment),
    Rung("split and order", "the same images in the same order with the same masks", split_and_order),
    Rung("pixels", "the same network input, bit for bit", pixels),
    Rung("weights", "weights go in and come back bit for bit", weights),
    Rung("forward", "every layer's output", forward),
    Rung("single step", "every layer's output from the other side's input", single_step),
    Rung("losses", "each loss term, and by its definition in NumPy", losses),
    Rung("gradients", "of all parameters, of the feature and of the pixels", gradients),
    Rung("straight-through", "the gradient through the sign is its closed form, at 0 too", straight_through),
    Rung("finite differences", "gradients of the smooth part are slopes of the loss", finite_differences),
    Rung("optimiser step", "one step, against NumPy", optimiser_step),
    Rung("optimiser steps", "many steps across a rate drop, against NumPy", optimiser_steps),
    Rung("trajectory", "training with dropout, in float64 lockstep", trajectory),
    Rung("rates", "the rate of every epoch, read back from the optimiser", rates),
    Rung("codes", "codes of a trained network", codes),
    Rung("score", "the score of identical codes", score),
    Rung("cross-resume", "training begun in one framework goes on in the other", cross_resume),
    Rung("exported", "exported models, ONNX among them, beside both networks", exported),
)
