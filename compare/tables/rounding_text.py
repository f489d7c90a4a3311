"""Rows, sentences and notes of the table from a suite's study of rounding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compare.frameworks.records import SIDES, pairs
from compare.stats.gather import Gathered
from compare.stats.pairs import rounding_maps
from compare.stats.rounding import Power, Size, Told, floor_size, pair_size, power, told_from_floor
from compare.suite.rounding import CASES, FLIPS, FLOOR, OF_FAMILIES, Difference
from shared.config.kernels import NATIVE, SHARED
from shared.system.words import listed

_NO_TEST = {"ratio": "-", "95 % interval of ratio": "-", "p scale": "-", "p location": "-"}
_SAME = "the same bits"


@dataclass(frozen=True)
class RoundingStudy:
    """What one length's runs show. ``floor``: its size; ``sizes`` and ``partings``: case -> of its differences.

    The floor is the case ``FLOOR[0]``. ``told``: case -> the tests, for those of which every planned seed is there;
    ``seeds`` are those of the floor.
    """

    bits: int
    seeds: int
    planned: int
    sizes: Mapping[str, Size]
    differences: Mapping[str, Mapping[int, list[float]]]
    partings: Mapping[str, list[Difference]]
    told: Mapping[str, Told]

    @property
    def floor(self) -> Size:
        return self.sizes[FLOOR[0]]

    @property
    def families(self) -> list[str]:
        return [case for case in OF_FAMILIES if case in self.sizes]

    def is_same(self, case: str) -> bool:
        """Whether nothing at all differs between a case's runs, as far as was looked."""
        partings = self.partings[case]
        is_same = all(d.first_step is None and not any(d.distances.values()) and not d.code_bits for d in partings)
        return is_same and len(partings) == self.sizes[case].n and self.sizes[case].rms == 0

    def power(self, case: str) -> Power:
        """Of the tests of a case: those of native kernels are apart from those of the families."""
        return power(self.seeds, FLIPS, 2 if case == NATIVE else 2 * len(OF_FAMILIES))


def rounding_studies(gathered: Gathered) -> list[RoundingStudy]:
    """A study for each length of which two seeds have their whole floor."""
    return [study for bits in gathered.grid.bits if (study := _study(gathered, bits))]


def _study(gathered: Gathered, bits: int) -> RoundingStudy | None:
    maps, planned = rounding_maps(gathered, bits), set(gathered.grid.seeds[bits])
    floor = maps[FLOOR[0]]
    if len(floor) < 2:
        return None
    arrays = {case: np.array([*of.values()]) for case, of in maps.items() if len(of) > 1}
    complete = [case for case, of in maps.items() if planned <= of.keys() and floor.keys() == of.keys()]
    told = {}
    for together in ((NATIVE,), OF_FAMILIES):
        if planned <= floor.keys() and set(together) <= set(complete):
            told |= told_from_floor(arrays[FLOOR[0]], {case: arrays[case] for case in together})
    return RoundingStudy(
        bits=bits,
        seeds=len(floor),
        planned=len(planned),
        sizes={case: (floor_size if case == FLOOR[0] else pair_size)(values) for case, values in arrays.items()},
        differences={case: {seed: _differences(case, of) for seed, of in maps[case].items()} for case in arrays},
        partings={case: _partings(gathered, case, bits) for case in arrays},
        told=told,
    )


def _differences(case: str, maps: tuple[float, ...]) -> list[float]:
    return [value - maps[0] for value in maps[1:]] if case == FLOOR[0] else [maps[0] - maps[1]]


def _partings(gathered: Gathered, case: str, bits: int) -> list[Difference]:
    of = FLOOR if case == FLOOR[0] else (case,)
    return [found for (name, length, _), found in gathered.partings.items() if name in of and length == bits]


def rounding_tables(gathered: Gathered) -> list[dict]:
    """For every length that was studied: ``title``, ``rows``, ``sentences``, and ``points``, which a figure draws."""
    return [
        {
            "title": f"Rounding at {study.bits} bits: what parts two trainings, and by how much. {_TITLE}",
            "rows": [_row(study, case) for case in _shown(study)],
            "sentences": _sentences(study),
            "points": [_points(study, case) for case in _shown(study)],
            "bits": study.bits,
        }
        for study in rounding_studies(gathered)
    ]


_TITLE = (
    "Floor: shared kernels, one initial weight of one framework one unit in the last place away. Distance: of all "
    "weights, relative, median. rms: root mean square of the mAP differences. p: by Holm's procedure. Intervals: 95 %."
)


def rounding_notes(gathered: Gathered) -> list[str]:
    """The frameworks' distance beside the floor, in one line for each length, for the verdict."""
    notes = []
    for study in rounding_studies(gathered):
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
        f"Rounding alone, one weight one unit in the last place away, moves mAP by an rms of {study.floor.rms:.4f} "
        f"{study.floor.rms_interval.text('.4f')} (n = {study.floor.n}, {study.seeds} seeds)"
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
