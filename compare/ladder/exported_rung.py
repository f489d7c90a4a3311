"""The last rung: exported models in their own engines beside the networks they were exported from."""

import numpy as np

from compare.frameworks.records import FRAMEWORKS, SIDES
from compare.ladder import numpy_reference as witness
from compare.ladder.limits import LIMITS
from compare.ladder.records import Record, check, compare
from compare.ladder.rounds import ask_third, trained_weights
from compare.ladder.session import Rig
from shared.worker.probe import Arrays, take

LEFT_OUT = "left out"


def exported(rung: str, rig: Rig) -> list[Record]:
    """Codes and features of every exported model are those of both networks; its probabilities follow from its code."""
    ask_third(rig)
    eager = {side: rig.of(side, "trained")["features"] for side in SIDES}
    classifier = trained_weights(rig)["classifier.weight"]
    answers = {side: rig.of(side, "exported") for side in SIDES}
    records = []
    for writer, form in ((side, form) for side in reversed(SIDES) for form in FRAMEWORKS[side].export_formats):
        answer = answers[writer]
        if f"{LEFT_OUT}.{form}" in answer:
            reason = str(answer[f"{LEFT_OUT}.{form}"])
            records.append(Record(rung, form, True, None, note=f"{LEFT_OUT}: {reason}"))
            continue
        outputs = take(answer, f"{form}.")
        for side in SIDES:
            records += _beside_network(rung, f"{form} beside {side}", outputs, eager[side])
        records += _by_definition(rung, form, outputs, classifier)
    return records


def _beside_network(rung: str, name: str, outputs: Arrays, features: np.ndarray) -> list[Record]:
    differing = (outputs["code"] == 1) != (features > 0)
    margin = float(np.abs(features[differing]).max(initial=0.0))
    allowed = LIMITS["code margin"].value * float(np.abs(features).max())
    note = f"{int(differing.sum())} of {differing.size} bits differ, the farthest at a margin of {margin:.2g}"
    codes = check(rung, f"{name}: codes", margin <= allowed, note)
    return [compare(rung, f"{name}: features", outputs["feature"], features, "exported"), codes]


def _by_definition(rung: str, name: str, outputs: Arrays, classifier: np.ndarray) -> list[Record]:
    expected = witness.probabilities(outputs["feature"], classifier).astype(np.float32)
    return [
        check(rung, f"{name}: codes are its features above 0", ((outputs["feature"] > 0) == outputs["code"]).all()),
        compare(rung, f"{name}: probabilities, by their definition", outputs["probability"], expected, "exported"),
        check(rung, f"{name}: class", (outputs["label"] == outputs["probability"].argmax(axis=1)).all()),
    ]
