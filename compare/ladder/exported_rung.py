"""The last rung: exported models in their own engines beside the networks they were exported from."""

import numpy as np

from compare.frameworks.records import FRAMEWORKS
from compare.ladder import numpy_reference
from compare.ladder.accuracy import compare_bits, compare_pair
from compare.ladder.records import Record, check
from compare.ladder.session import LadderSession
from shared.worker.exported import LEFT_OUT
from shared.worker.probe import Arrays, take


def exported(rung: str, session: LadderSession) -> list[Record]:
    """Codes and hash logits of every exported model match both networks'; its probabilities follow from its code."""
    network_logits = {side: session.of(side, "trained")["features"] for side in session.setup.sides}
    exact = session.exact("float64-trained")["features"]
    classifier = session.trained_weights()["classifier.weight"]
    answers = {side: session.of(side, "exported") for side in session.setup.sides}
    records = []
    writers = {side: FRAMEWORKS[session.workers[side].framework] for side in reversed(session.setup.sides)}
    for writer, form in ((side, form) for side, record in writers.items() for form in record.export_formats):
        answer = answers[writer]
        if LEFT_OUT + form in answer:
            note = f"left out: {answer[LEFT_OUT + form]}"
            records.append(Record(rung, form, True, None, note=note, left_out=True))
            continue
        outputs = take(answer, f"{form}.")
        for side in session.setup.sides:
            logits = {form: outputs["feature"], side: network_logits[side]}
            bits = {form: outputs["code"] == 1, side: network_logits[side] > 0}
            pair = {name: (values, exact) for name, values in logits.items()}
            records.append(compare_pair(rung, f"{form} beside {side}: features", pair))
            records.append(compare_bits(rung, f"{form} beside {side}: codes", bits, logits, exact))
        records += _by_definition(rung, form, outputs, classifier)
    return records


def _by_definition(rung: str, name: str, outputs: Arrays, classifier: np.ndarray) -> list[Record]:
    in_float32, exact = (
        numpy_reference.probabilities(outputs["feature"], classifier, dtype) for dtype in ("float32", "float64")
    )
    pair = {name: (outputs["probability"], exact), "NumPy": (in_float32, exact)}
    return [
        check(rung, f"{name}: codes are its features above 0", ((outputs["feature"] > 0) == outputs["code"]).all()),
        compare_pair(rung, f"{name}: probabilities, by their definition", pair),
        check(rung, f"{name}: class", (outputs["label"] == outputs["probability"].argmax(axis=1)).all()),
    ]
