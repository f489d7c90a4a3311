"""Rungs of one batch: outputs of every layer, losses and gradients."""

import numpy as np

from compare.ladder import numpy_reference
from compare.ladder.accuracy import allowed_distances, compare_bits, compare_pair, compare_sides, own_errors
from compare.ladder.flips import Flip, find_flips
from compare.ladder.limits import LIMITS
from compare.ladder.records import Record, check, compare, compare_sets
from compare.ladder.session import LadderSession
from shared.worker.probe import GRADIENT, IMAGE, STAGE, Arrays, directions, prefixed, take

LOSSES = ("cross_entropy", "penalty", "loss")


def forward(rung: str, session: LadderSession) -> list[Record]:
    """Every stage of the training pass, with the errors of the stages before it."""
    sides, exact = _stage_outputs(session)
    bits = {side: session.of(side, "float32")[f"{STAGE}sign"] > 0 for side in session.setup.sides}
    logits = {side: outputs["hash"] for side, outputs in sides.items()}
    records = compare_sides(rung, sides, exact, prefix="float32 ")
    records.append(compare_bits(rung, "float32 sign", bits, logits, exact["hash"]))
    pools = {side: _pools(session, side, "float32") for side in session.setup.sides}
    records.append(compare_pair(rung, "float32 flatten, by its definition", pools))
    return records + [record for side in session.setup.sides for record in _forward_float64(rung, session, side)]


def _pools(session: LadderSession, side: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """The input of fc6, and in float64 the averages over its windows, whatever the last pool leaves."""
    outputs = take(session.of(side, dtype), STAGE)
    return outputs["flatten"], numpy_reference.pooled(
        outputs["pool5"].astype(np.float64), session.setup.recipe.pooled_px
    )


def _stage_outputs(session: LadderSession) -> tuple[dict[str, Arrays], Arrays]:
    """What every stage before and after the sign puts out: both sides in float32, and in float64.

    Of the classifier, for the images to which all three give the same code.
    """
    passes = {side: take(session.of(side, "float32"), STAGE) for side in session.setup.sides}
    exact = take(session.exact("float64-forward"), STAGE)
    same_code = np.logical_and.reduce([(p["sign"] == exact["sign"]).all(axis=1) for p in passes.values()])
    for outputs in (*passes.values(), exact):
        outputs["classifier"] = outputs["classifier"][same_code]
        del outputs["sign"]
    return passes, exact


def _forward_float64(rung: str, session: LadderSession, side: str) -> list[Record]:
    """The float64 pass of a side is the one by which float32 is judged; codes may differ only within its limit of 0."""
    outputs, exact = (take(a, STAGE) for a in (session.of(side, "float64"), session.exact("float64-forward")))
    differing = outputs.pop("sign") != exact.pop("sign")
    distance = float(np.abs(exact["hash"][differing]).max(initial=0.0))
    allowed = LIMITS["forward float64"].value * float(np.abs(exact["hash"]).max())
    note = f"{int(differing.sum())} of {differing.size} bits differ"
    names = (prefixed(f"{side} float64 ", arrays) for arrays in (outputs, exact))
    sign = check(rung, f"{side} float64 sign", distance <= allowed, note)
    pools = _pools(session, side, "float64")
    flatten = compare(rung, f"{side} float64 flatten, by its definition", *pools, "forward float64")
    return [*compare_sets(rung, *names, "forward float64"), sign, flatten]


def single_step(rung: str, session: LadderSession) -> list[Record]:
    """Each stage of one side fed with the other side's input: a local error is distinguished from an inherited one."""
    other, reference = session.setup.sides
    ours, whole = take(session.of(other, "stages"), STAGE), take(session.of(reference, "float32"), STAGE)
    same, exact = (take(answer, STAGE) for answer in session.pair("float64-stages"))
    sides = {other: ours, reference: whole}
    records = compare_sides(rung, sides, exact)
    # beside a third that is neither: both sides may be equally inaccurate
    for layer, values in numpy_reference.linear_outputs(whole, session.setup.arrays).items():
        for side, outputs in sides.items():
            pair = {side: (outputs[layer], exact[layer]), "NumPy": (values, exact[layer])}
            records.append(compare_pair(rung, f"{layer} of {side}, beside NumPy", pair))
    return records + compare_sets(rung, prefixed("float64 ", same), prefixed("float64 ", exact), "forward float64")


def losses(rung: str, session: LadderSession) -> list[Record]:
    """Each loss term agrees between the sides in float64, and with its definition in both dtypes."""
    ours, reference = ({f"float64 {name}": answer[name] for name in LOSSES} for answer in session.pair("float64"))
    records = compare_sets(rung, ours, reference, "loss float64")
    for side in session.setup.sides:
        answer, definition = session.of(side, "float64"), _batch_losses(session, side, "float64")
        for name in LOSSES:
            label = f"{side} float64 {name}, by its definition"
            records.append(compare(rung, label, answer[name], definition[name], "loss float64"))
    for name in LOSSES:
        pair = {side: _float32_losses(session, side, name) for side in session.setup.sides}
        records.append(compare_pair(rung, f"float32 {name}, by its definition", pair))
    return records


def _batch_losses(session: LadderSession, side: str, dtype: str) -> Arrays:
    """Loss terms of the first batch by their definition, from the logits that this side computed."""
    answer, recipe = session.of(side, dtype), session.setup.recipe
    terms = numpy_reference.losses(
        answer["logits"], answer["feature"], session.setup.first_labels, recipe.penalty_weight
    )
    return {name: np.asarray(values.mean()) for name, values in terms.items()}


def _float32_losses(session: LadderSession, side: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One loss term of the batch and of each of its images alone (1 + N,), in float32 and by its definition.

    Of one number alone the error may be 0 by chance.
    """
    answer, recipe = session.of(side, "float32"), session.setup.recipe
    image = take(answer, IMAGE)
    exact = numpy_reference.losses(image["logits"], image["feature"], session.setup.first_labels, recipe.penalty_weight)
    batch = _batch_losses(session, side, "float32")
    return np.append(image[name], answer[name]), np.append(exact[name], batch[name])


def gradients(rung: str, session: LadderSession) -> list[Record]:
    """Gradients agree in float64, and in float32 for images in which no decision flipped.

    The backward pass inherits the errors of the forward pass: the error of a side is that of its whole pass.
    """
    records = []
    for name, label in (("float64", "float64 "), ("float64-flipfree", "float64 without flips ")):
        both = (prefixed(label, take(answer, GRADIENT)) for answer in session.pair(name))
        records += compare_sets(rung, *both, "gradient float64")
    sides = {side: take(answer, GRADIENT) for side, answer in session.sides("flipfree").items()}
    exact = take(session.exact("float64-flipfree"), GRADIENT)
    passes = own_errors(*_stage_outputs(session)), own_errors(sides, exact)
    own = {side: max(errors[side] for errors in passes) for side in session.setup.sides}
    return records + compare_sides(rung, sides, exact, own, prefix="float32 ") + _flip_records(rung, session)


def _flip_records(rung: str, session: LadderSession) -> list[Record]:
    """Every decision that differs from float64 must be as near to the other decision as rounding may reach."""
    exact, records = session.exact("float64-forward"), []
    passes = session.sides("float32")
    for side in session.setup.sides:
        for flip in find_flips(passes[side], exact):
            records.append(_flip_record(rung, side, flip, passes, exact))
    return records


def _flip_record(rung: str, side: str, flip: Flip, passes: dict[str, Arrays], exact: Arrays) -> Record:
    name = STAGE + flip.stage
    outputs = {other: answer[name] for other, answer in passes.items()}
    # the decision of a max-pool lies between two values, and either may err
    allowed = allowed_distances(outputs, exact[name])[side] * flip.values_compared
    note = f"{flip.kind} flipped: values {flip.values[0]:.3g} and {flip.values[1]:.3g}, distance {flip.distance:.2g}"
    place = f"{side} {flip.stage} image {flip.image} unit {flip.unit}"
    return Record(rung, place, flip.distance <= allowed, allowed, max_abs=flip.distance, note=note)


def straight_through(rung: str, session: LadderSession) -> list[Record]:
    """The gradient of the hash logits is the closed form of a straight-through sign."""
    setup, records = session.setup, []
    for side in session.setup.sides:
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
    for side in session.setup.sides:
        answer = session.of(side, "smooth")
        gradients = take(answer, GRADIENT)
        for name, direction in directions(session.setup.recipe, gradients).items():
            gradient = gradients[name]
            error = abs(float(answer[f"slope.{name}"] - (gradient * direction).sum())) / float(np.linalg.norm(gradient))
            records.append(Record(rung, f"{side} {name}", error <= limit, limit, max_relative=error))
    return records
