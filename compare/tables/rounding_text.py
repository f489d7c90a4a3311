"""Rows, sentences and notes of the table from the studies of rounding."""

from collections.abc import Sequence

import numpy as np

from compare.frameworks.records import SIDES, pairs
from compare.stats.rounding import Told
from compare.stats.rounding_study import RoundingStudy
from compare.suite.rounding import CASES, FLOOR, OF_FAMILIES, Difference
from shared.config.kernels import NATIVE, SHARED
from shared.system.words import listed

_NO_TEST = {"ratio": "-", "95 % interval of ratio": "-", "p scale": "-", "p location": "-"}
_SAME = "the same bits"


def rounding_tables(studies: Sequence[RoundingStudy]) -> list[dict]:
    """For every length: ``title``, ``rows``, ``sentences``, and ``points``, which a figure draws."""
    return [
        {
            "title": f"Rounding at {study.bits} bits: what parts two trainings, and by how much. {_title(study)}",
            "rows": [_row(study, case) for case in _shown(study)],
            "sentences": _sentences(study),
            "points": [_points(study, case) for case in _shown(study)],
            "bits": study.bits,
            "measure": study.measure,
        }
        for study in studies
    ]


def _title(study: RoundingStudy) -> str:
    return (
        "Floor: shared kernels, one initial weight of one framework one unit in the last place away. First step: after "
        "which a weight or momentum differs. After step 1, after the first steps, at the end: relative distance of all "
        f"weights, median. rms: root mean square of the {study.measure} differences. p: by Holm's procedure. "
        "Intervals: 95 %."
    )


def rounding_notes(studies: Sequence[RoundingStudy]) -> list[str]:
    """The frameworks' distance beside the floor, in one line for each length, for the verdict."""
    notes = []
    for study in studies:
        if native := study.told.get(NATIVE):
            size = native.size
            notes.append(
                f"{_pair()}, {study.bits} bits, beside rounding alone: rms {size.rms:.4f} over {size.n} seeds, where "
                f"one changed weight gives {study.floor.rms:.4f}: {_verdict(native)}."
            )
    return notes


def _pair() -> str:
    return next(str(pair) for pair in pairs() if pair.keys == SIDES)


def _shown(study: RoundingStudy) -> list[str]:
    return [case for case in CASES if case in study.sizes]


def title_of(case: str) -> str:
    """A case in words."""
    names = {FLOOR[0]: "floor: one weight changed", NATIVE: "all native", SHARED: "all shared"}
    return names.get(case) or f"{case.removeprefix(f'{SHARED}-')} alone native"


def _row(study: RoundingStudy, case: str) -> dict[str, str]:
    size = study.sizes[case]
    return {
        "kernels": title_of(case),
        "n": str(size.n),
        **_parted(study.partings[case]),
        "mean": f"{size.mean:+.4f}",
        "interval of mean": size.mean_interval.text(),
        "rms": f"{size.rms:.4f}",
        "interval of rms": size.rms_interval.text(".4f"),
        **_tested(study, case),
    }


def _parted(partings: Sequence[Difference]) -> dict[str, str]:
    headings = ("first step", "after step 1", "after the first steps", "at the end", "code bits")
    if not partings:
        return dict.fromkeys(headings, "-")
    steps = [[*of.distances.values()] for of in partings]
    distances = [np.median([of[place] for of in steps]) for place in (0, -2 if len(steps[0]) > 1 else -1, -1)]
    bits = np.mean([of.code_bits for of in partings])
    cells = _first_step(partings), *(f"{value:.1e}" for value in distances), f"{bits:.2%}"
    return dict(zip(headings, cells, strict=True))


def _first_step(partings: Sequence[Difference]) -> str:
    """ "1", "1 to 3", "none of 50", or "3 to 9; none in 2 of 6 runs"."""
    differing = [of.first_step for of in partings if of.first_step]
    same = len(partings) - len(differing)
    if not differing:
        return f"none of {partings[0].steps}"
    low, high = min(differing), max(differing)
    text = str(low) if low == high else f"{low} to {high}"
    return f"{text}; none in {same} of {len(partings)}" if same else text


def _tested(study: RoundingStudy, case: str) -> dict[str, str]:
    if case not in study.told:
        reading = {FLOOR[0]: "the floor", SHARED: _SAME if study.is_same(SHARED) else "NOT the same bits"}
        return _NO_TEST | {"reading": reading.get(case, "waits for all seeds")}
    told = study.told[case]
    known = told.ratio is not None
    return {
        "ratio": f"{told.ratio:.2f}" if known else "-",
        "95 % interval of ratio": told.ratio_interval.text(".2f") if known else "-",
        "p scale": f"{told.p_scale:.4f}",
        "p location": f"{told.p_location:.4f}",
        "reading": _SAME if study.is_same(case) else told.verdict,
    }


def _sentences(study: RoundingStudy) -> list[str]:
    return [_native_sentence(study), _family_sentence(study)]


def _native_sentence(study: RoundingStudy) -> str:
    floor = (
        f"Rounding alone, one weight one unit in the last place away, moves {study.measure} by an rms of "
        f"{study.floor.rms:.4f} {study.floor.rms_interval.text('.4f')} (n = {study.floor.n}, {study.seeds} seeds)"
    )
    native = study.told.get(NATIVE)
    if not native:
        return f"{floor}; whether native kernels do more waits for all {study.planned} seeds."
    rms = f"{native.size.rms:.4f} {native.size.rms_interval.text('.4f')}"
    return f"{floor}; native kernels part the frameworks by {rms}, {_verdict(native)}, {_power(study, NATIVE)}."


def _verdict(told: Told) -> str:
    times = f"{told.ratio:.2f} {told.ratio_interval.text('.2f')} times that, " if told.ratio is not None else ""
    p_values = f"Holm's p = {told.p_scale:.2f} of scale and {told.p_location:.2f} of location"
    can = "cannot be told from it" if not told.is_told else f"can be told from it ({told.verdict})"
    return f"{times}which {can} ({p_values})"


def _power(study: RoundingStudy, case: str) -> str:
    found = study.power(case)
    ratio = f"a ratio from {found.ratio:.1f}" if found.ratio else "no ratio up to 20"
    shift = (
        f"a shift from {found.shift:.1f} times the floor's rms" if found.shift else "no shift up to 20 times its rms"
    )
    return f"where the tests detect {ratio} and {shift} with 80 % probability"


def _family_sentence(study: RoundingStudy) -> str:
    caution = "A row is no share of a whole: the rows do not add up"
    tested = [case for case in study.families if case in study.told]
    if not tested:
        return f"What one family alone does waits for all {study.planned} seeds. {caution}."
    same = [case for case in tested if study.is_same(case)]
    told = [case for case in tested if study.told[case].is_told and case not in same]
    readings = [f"the same bits in both frameworks: {_names(same)}"] if same else []
    readings += [
        f"told from the floor: {_names(told)}" if told else f"told from the floor: no{' other' if same else 'ne'}"
    ]
    found = "; ".join(readings)
    return f"Of {len(tested)} families alone native, {found}, {_power(study, OF_FAMILIES[0])}. {caution}."


def _names(cases: Sequence[str]) -> str:
    return listed([case.removeprefix(f"{SHARED}-") for case in cases])


def _points(study: RoundingStudy, case: str) -> dict:
    """What a figure draws of a case: mAP differences, and of each pair of runs its distance after some steps."""
    return {
        "case": case,
        "title": title_of(case),
        "differences": [value for of_seed in study.differences[case].values() for value in of_seed],
        "rms": study.sizes[case].rms,
        "distances": [{str(step): value for step, value in of.distances.items()} for of in study.partings[case]],
    }
