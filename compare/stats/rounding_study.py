"""The study of rounding of each length, from finished runs: sizes, how runs part, and the tests beside the floor."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from compare.stats.gather import Gathered
from compare.stats.pairs import rounding_maps
from compare.stats.rounding import Power, Size, Told, floor_size, pair_size, power, told_from_floor
from compare.suite.rounding import FLIPS, FLOOR, OF_FAMILIES, Difference
from shared.config.kernels import NATIVE


@dataclass(frozen=True)
class RoundingStudy:
    """What one length's runs show. ``floor``: its size; ``sizes`` and ``partings``: case -> of its differences.

    The floor is the case ``FLOOR[0]``. ``told``: case -> the tests, for those of which every planned seed is there;
    ``seeds`` are those of the floor.
    """

    bits: int
    measure: str
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
        measure=gathered.runs[0].recipe().measure,
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
