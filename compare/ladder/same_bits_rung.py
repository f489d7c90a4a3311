"""The rung of the same bits: float32 training with shared kernels, where nothing may differ at all."""

import numpy as np

from compare.ladder.records import Record, check
from compare.ladder.same_bits_inputs import first_difference
from compare.ladder.session import LadderSession
from shared.worker.probe import Arrays, take


def same_bits(rung: str, session: LadderSession) -> list[Record]:
    """SHA-256 of all weights and momenta after every step, to the first that differs, and what differs there."""
    (ours, reference), states = session.pair("same bits"), session.pair("first difference")
    versions = [str(answer["numpy"]) for answer in (ours, reference)]
    if versions[0] != versions[1]:
        versions = " and ".join(
            f"{version} in {side}" for side, version in zip(session.setup.sides, versions, strict=True)
        )
        note = f"NumPy {versions}: another version's products may have other bits"
        return [Record(rung, "bits", True, None, note=note, left_out=True)]
    first = first_difference(ours, reference)
    same = len(reference["digests"]) if first is None else first - 1
    records = [check(rung, f"SHA-256 of weights and momenta after step {step}", True) for step in range(1, same + 1)]
    if first is None:
        return records
    return [*records, _difference(rung, dict(zip(session.setup.sides, states, strict=True)), first)]


def _difference(rung: str, answers: dict[str, Arrays], step: int) -> Record:
    """The first element, input side first and weights before momenta, that differs after ``step``."""
    states = [take(answer, f"trajectory.{step}.") for answer in answers.values()]
    place = _first_element(*states)
    if place is None:
        return check(rung, f"step {step}", False, "differs, but not when trained again: a framework repeats no bits")
    name, index = place
    values = [float(state[name][index]) for state in states]
    note = ", ".join(f"{side} {value:.9g}" for side, value in zip(answers, values, strict=True))
    shown = f"step {step}: {name}[{', '.join(map(str, index))}]"
    return check(rung, shown, False, note)._replace(max_abs=abs(values[0] - values[1]), worst_index=index)


def _first_element(ours: Arrays, reference: Arrays) -> tuple[str, tuple[int, ...]] | None:
    for name, expected in reference.items():
        differing = np.argwhere(_bits(ours[name]) != _bits(expected))
        if len(differing):
            return name, tuple(map(int, differing[0]))
    return None


def _bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32).view(np.uint32)
