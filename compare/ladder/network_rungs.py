"""Rungs of one batch: outputs of every layer, losses and gradients."""

import numpy as np

from compare.frameworks.records import SIDES
from compare.ladder import numpy_reference
from compare.ladder.flips import find_flips
from compare.ladder.limits import LIMITS
from compare.ladder.records import Record, check, compare, compare_sets
from compare.ladder.session import LadderSession
from shared.worker.probe import GRADIENT, STAGE, Arrays, directions, prefixed, take

LOSSES = ("cross_entropy", "penalty", "loss")


def forward(rung: str, session: LadderSession) -> list[Record]:
    """Every stage of the training pass, with the errors of the stages before it."""
    records = []
    for dtype in ("float32", "float64"):
        ours, reference = (prefixed(f"{dtype} ", take(answer, STAGE)) for answer in session.pair(dtype))
        layers = ({n: array for n, array in side.items() if n != f"{dtype} sign"} for side in (ours, reference))
        records += compare_sets(rung, *layers, f"forward {dtype}")
        records += _sign_records(rung, ours, reference, dtype)
        records += [_pool_record(rung, session, side, dtype) for side in SIDES]
    return records


def _pool_record(rung: str, session: LadderSession, side: str, dtype: str) -> Record:
    """The input of fc6 is the average over the windows of its definition, whatever size the last pool leaves."""
    answer = session.of(side, dtype)
    exact = numpy_reference.pooled(answer[STAGE + "pool5"].astype(np.float64), session.setup.recipe.pooled_px)
    name, received = f"{side} {dtype} flatten, by its definition", answer[STAGE + "flatten"]
    return compare(rung, name, received, exact.astype(dtype), f"forward {dtype}")


def _sign_records(rung: str, ours: Arrays, reference: Arrays, dtype: str) -> list[Record]:
    """Codes must agree except where the hash logit is nearer to 0 than the forward limit."""
    name, logits = f"{dtype} sign", reference[f"{dtype} hash"]
    differing = ours[name] != reference[name]
    bit_margin = float(np.abs(logits[differing]).max(initial=0.0))
    allowed = LIMITS[f"forward {dtype}"].value * float(np.abs(logits).max())
    return [check(rung, name, bit_margin <= allowed, f"{int(differing.sum())} of {differing.size} bits differ")]


def single_step(rung: str, session: LadderSession) -> list[Record]:
    """Each stage of one side fed with the other side's input: a local error is distinguished from an inherited one."""
    ours, whole = take(session.pair("stages")[0], STAGE), session.pair("float32")[1]
    reference = {name: whole[STAGE + name] for name in ours}
    return compare_sets(rung, ours, reference, "forward float32")


def losses(rung: str, session: LadderSession) -> list[Record]:
    """Each loss term agrees between the sides and with its definition."""
    labels = session.setup.first_labels
    records = []
    for dtype in ("float32", "float64"):
        ours, reference = ({f"{dtype} {n}": answer[n] for n in LOSSES} for answer in session.pair(dtype))
        records += compare_sets(rung, ours, reference, f"loss {dtype}")
        for side in SIDES:
            answer = session.of(side, dtype)
            for name, value in numpy_reference.losses(answer, labels, session.setup.recipe.penalty_weight).items():
                exact = np.asarray(value, answer[name].dtype)
                label = f"{side} {dtype} {name}, by its definition"
                records.append(compare(rung, label, answer[name], exact, f"loss {dtype}"))
    return records


def gradients(rung: str, session: LadderSession) -> list[Record]:
    """Gradients agree in float64, and in float32 for images in which no decision flipped."""
    ours, reference = (prefixed("float64 ", take(answer, GRADIENT)) for answer in session.pair("float64"))
    records = compare_sets(rung, ours, reference, "gradient float64")
    ours, reference = (prefixed("float32 ", take(answer, GRADIENT)) for answer in session.pair("flipfree"))
    return records + compare_sets(rung, ours, reference, "gradient float32") + _flip_records(rung, session)


def _flip_records(rung: str, session: LadderSession) -> list[Record]:
    """Every flipped decision of the float32 pass must be within the forward limit of the other decision."""
    ours, reference = session.pair("float32")
    records = []
    for flip in find_flips(ours, reference):
        scale = float(np.abs(reference[STAGE + flip.stage]).max())
        allowed = LIMITS["forward float32"].value * scale
        note = f"{flip.kind} flipped: values {flip.values[0]:.3g} and {flip.values[1]:.3g}, margin {flip.distance:.2g}"
        name = f"{flip.stage} image {flip.image} unit {flip.unit}"
        records.append(Record(rung, name, flip.distance <= allowed, allowed, max_abs=flip.distance, note=note))
    return records


def straight_through(rung: str, session: LadderSession) -> list[Record]:
    """The gradient of the hash logits is the closed form of a straight-through sign."""
    setup, records = session.setup, []
    for side in SIDES:
        answer = session.of(side, "float64")
        inputs = setup.arrays, setup.first_labels, setup.recipe.penalty_weight
        expected = numpy_reference.hash_logit_gradient(answer, *inputs)
        zero = answer["feature"] == 0
        records.append(compare(rung, f"{side} dL/dh", answer["gradient.feature"], expected, "closed form"))
        at_zero = answer["gradient.feature"][zero], expected[zero]
        records.append(compare(rung, f"{side} dL/dh where h = 0", *at_zero, "closed form"))
        records.append(check(rung, f"{side} has features at 0", zero.any() and np.abs(expected[zero]).min() > 0))
    return records


def finite_differences(rung: str, session: LadderSession) -> list[Record]:
    """Where the classifier is 0 the loss is smooth, and its slopes are the gradients, relative to their length."""
    limit, records = LIMITS["finite differences"].value, []
    for side in SIDES:
        answer = session.of(side, "smooth")
        for name, direction in directions(session.setup.recipe).items():
            gradient = answer[GRADIENT + name]
            error = abs(float(answer[f"slope.{name}"] - (gradient * direction).sum())) / float(np.linalg.norm(gradient))
            records.append(Record(rung, f"{side} {name}", error <= limit, limit, max_relative=error))
    return records
