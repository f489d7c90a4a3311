"""The last rung: exported models in their own engines beside the networks they were exported from."""

import numpy as np

from compare.frameworks.records import FRAMEWORKS, SIDES
from compare.ladder import numpy_reference
from compare.ladder.limits import LIMITS
from compare.ladder.records import Record, check, compare
from compare.ladder.session import LadderSession
from shared.worker.exported import LEFT_OUT
from shared.worker.probe import Arrays, take


def exported(rung: str, session: LadderSession) -> list[Record]:
    """Codes and hash logits of every exported model match both networks'; its probabilities follow from its code."""
    network_logits = {side: session.of(side, "trained")["features"] for side in SIDES}
    classifier = session.trained_weights()["classifier.weight"]
    answers = {side: session.of(side, "exported") for side in SIDES}
    records = []
    for writer, form in ((side, form) for side in reversed(SIDES) for form in FRAMEWORKS[side].export_formats):
        answer = answers[writer]
        if LEFT_OUT + form in answer:
            note = f"left out: {answer[LEFT_OUT + form]}"
            records.append(Record(rung, form, True, None, note=note, left_out=True))
            continue
        outputs = take(answer, f"{form}.")
        for side in SIDES:
            records += _beside_network(rung, f"{form} beside {side}", outputs, network_logits[side])
        records += _by_definition(rung, form, outputs, classifier)
    return records


def _beside_network(rung: str, name: str, outputs: Arrays, logits: np.ndarray) -> list[Record]:
    differing = (outputs["code"] == 1) != (logits > 0)
    bit_margin = float(np.abs(logits[differing]).max(initial=0.0))
    allowed = LIMITS["code margin"].value * float(np.abs(logits).max())
    note = f"{int(differing.sum())} of {differing.size} bits differ, the farthest at a margin of {bit_margin:.2g}"
    codes = check(rung, f"{name}: codes", bit_margin <= allowed, note)
    return [compare(rung, f"{name}: features", outputs["feature"], logits, "exported"), codes]


def _by_definition(rung: str, name: str, outputs: Arrays, classifier: np.ndarray) -> list[Record]:
    expected = numpy_reference.probabilities(outputs["feature"], classifier).astype(np.float32)
    return [
        check(rung, f"{name}: codes are its features above 0", ((outputs["feature"] > 0) == outputs["code"]).all()),
        compare(rung, f"{name}: probabilities, by their definition", outputs["probability"], expected, "exported"),
        check(rung, f"{name}: class", (outputs["label"] == outputs["probability"].argmax(axis=1)).all()),
    ]
