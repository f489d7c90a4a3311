"""Rungs of many steps: optimiser, trajectory, learning rates, the trained network's codes and score, resuming."""

import numpy as np

from compare.ladder import numpy_reference
from compare.ladder.accuracy import compare_bits, compare_pair, compare_sides, own_errors
from compare.ladder.records import Record, check, compare, compare_sets, growth_record
from compare.ladder.session import LadderSession
from compare.ladder.setup import adamw_start
from shared.checkpoint.moments import STEPS
from shared.config.optimizers import ADAMW
from shared.config.recipe import Recipe
from shared.worker.probe import MOMENTUM, WEIGHT, Arrays, prefixed, take


def optimiser_step(rung: str, session: LadderSession) -> list[Record]:
    """One step with given gradients and momentum."""
    return _optimiser(rung, session, 1)


def optimiser_steps(rung: str, session: LadderSession) -> list[Record]:
    """Steps with given gradients across a rate drop."""
    return _optimiser(rung, session, len(session.setup.learning_rates))


def _optimiser(rung: str, session: LadderSession, steps: int) -> list[Record]:
    sgd = (session.setup.recipe, session.setup.arrays, "")
    adamw = (*adamw_start(session.setup), f"{ADAMW} ")
    return [
        record
        for recipe, start, kind in (sgd, adamw)
        for dtype in session.setup.scale.optimiser_dtypes
        for record in _states(rung, session, recipe, start, f"{kind}{dtype}", dtype, steps)
    ]


def _states(
    rung: str, session: LadderSession, recipe: Recipe, start: Arrays, request: str, dtype: str, steps: int
) -> list[Record]:
    """What ``steps`` leave of the weights and of the optimiser's memory, in the answers to ``request``."""
    expected = numpy_reference.optimiser_state(recipe, start, session.setup.learning_rates[:steps], dtype)
    states = {side: take(answer, f"optimizer.{steps}.") for side, answer in session.sides(request).items()}
    counted = MOMENTUM + STEPS
    records = [
        compare(rung, f"{side} {request} steps", state.pop(counted), expected[counted], "exact")
        for side, state in states.items()
        if counted in expected
    ]
    expected.pop(counted, None)
    if dtype == "float32":
        # AdamW divides by the root of the second moment, and rounding grows by chance where that is small: the error of
        # a side is that of all its tensors
        own = own_errors(states, expected) if recipe.optimizer == ADAMW else None
        return records + compare_sides(rung, states, expected, own, prefix=f"{request} ")
    for side, state in states.items():
        both = (prefixed(f"{side} {request} ", arrays) for arrays in (state, expected))
        records += compare_sets(rung, *both, f"optimiser {dtype}")
    return records


def trajectory(rung: str, session: LadderSession) -> list[Record]:
    """Training in lockstep: weights and momentum at chosen steps, and code bits at every step."""
    ours, reference = session.pair("float64")
    records = []
    for step in session.setup.saved_steps:
        both = (prefixed(f"step {step} ", take(answer, f"trajectory.{step}.")) for answer in (ours, reference))
        records += compare_sets(rung, *both, "trajectory float64")
    differing = (ours["trajectory.codes"] != reference["trajectory.codes"]).any(axis=(1, 2))
    first = int(differing.argmax()) + 1 if differing.any() else None
    note = f"first at step {first}" if first else f"none in {len(differing)} steps"
    return [*records, check(rung, "float64 code bits that differ", first is None, note), *_growth(rung, session)]


def _growth(rung: str, session: LadderSession) -> list[Record]:
    """How a float32 difference grows: reported, not judged, since one flipped decision separates two trajectories."""
    ours, reference = session.pair("float32")
    records = []
    for step in (step for step in session.setup.saved_steps if step <= session.setup.scale.steps):
        both = [take(answer, f"trajectory.{step}.{WEIGHT}") for answer in (ours, reference)]
        relative = max(float(np.abs(both[0][n] - both[1][n]).max() / np.abs(both[1][n]).max()) for n in both[1])
        bits = int((ours["trajectory.codes"][:step] != reference["trajectory.codes"][:step]).sum())
        records.append(growth_record(rung, step, relative, bits))
    return records


def rates(rung: str, session: LadderSession) -> list[Record]:
    """The learning rate that the optimiser holds in every epoch of the recipe, by the published formula."""
    expected = numpy_reference.rates(session.setup.recipe)
    name = "rate of every epoch"
    received = {side: session.of(side, "float32")["learning_rates"] for side in session.setup.sides}
    return [compare(rung, f"{side}: {name}", values, expected, "exact") for side, values in received.items()]


def codes(rung: str, session: LadderSession) -> list[Record]:
    """A trained network gives the same codes, except for bits whose hash logits are within rounding of 0."""
    logits = {side: answer["features"] for side, answer in session.sides("trained").items()}
    same, exact = (answer["features"] for answer in session.pair("float64-trained"))
    pair = {side: (values, exact) for side, values in logits.items()}
    bits = {side: values > 0 for side, values in logits.items()}
    return [
        compare_pair(rung, "features of a trained network", pair),
        compare(rung, "float64 features of a trained network", same, exact, "forward float64"),
        compare_bits(rung, "codes of a trained network", bits, logits, exact),
    ]


def score(rung: str, session: LadderSession) -> list[Record]:
    """The score of the same codes, computed in either process."""
    names = ("average precision", "best", "worst")
    ours, reference = ({name: answer[name] for name in names} for answer in session.pair("score"))
    return compare_sets(rung, ours, reference, "exact")


def cross_resume(rung: str, session: LadderSession) -> list[Record]:
    """The second half of a trajectory, from the other framework's state, ends where that framework ended."""
    records = []
    last = session.setup.scale.strict_steps
    for side, other in (session.setup.sides, session.setup.sides[::-1]):
        ours = take(session.of(side, "resumed"), f"trajectory.{last}.")
        whole = take(session.of(other, "float64"), f"trajectory.{last}.")
        compared = compare_sets(rung, ours, whole, "trajectory float64")
        records += [record._replace(name=f"{other}, then {side}: {record.name}") for record in compared]
    return records
