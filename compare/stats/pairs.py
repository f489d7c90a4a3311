"""The differences of mAP after the last epoch that the statistics are about, from runs."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from compare.frameworks.records import SIDES, Pair, pairs, reference, run_order
from compare.stats.gather import Gathered
from compare.stats.spread import QueryBootstrap, bootstrap_queries
from compare.suite.grid import Grid
from compare.suite.rounding import FLOOR
from shared.config.kernels import SHARED
from shared.config.recipe import BASE_SEED
from shared.training.runs import Run

Cell = tuple[str, int, int]
Differences = Mapping[int, Mapping[int, float]]


def differences_by_pair(results: Iterable[Mapping]) -> dict[Pair, dict[int, dict[int, float]]]:
    """For every pair of frameworks its ``paired_differences``."""
    results = list(results)
    return {pair: paired_differences(results, pair) for pair in pairs()}


def paired_differences(results: Iterable[Mapping], pair: Pair) -> dict[int, dict[int, float]]:
    """Bits -> seed -> the other's mAP minus the reference's; lengths without a pair of runs are left out.

    ``results`` are the contents of ``result.json`` files.
    """
    other, reference = pair.keys
    scores: dict[tuple[int, int], dict[str, float]] = {}
    for result in results:
        cell = scores.setdefault((result["bits"], result["seed"]), {})
        cell[result["framework"]] = result["map_last"]["expected"]
    differences: dict[int, dict[int, float]] = {}
    for (bits, seed), cell in sorted(scores.items()):
        if other in cell and reference in cell:
            differences.setdefault(bits, {})[seed] = cell[other] - cell[reference]
    return differences


def decidable(differences: Differences, grid: Grid) -> dict[int, Mapping[int, float]]:
    """The lengths with several pairs, all planned ones among them: a verdict is one look at a number fixed before."""
    complete = {bits: by_seed for bits, by_seed in differences.items() if _planned(bits, grid) <= by_seed.keys()}
    return {bits: by_seed for bits, by_seed in complete.items() if len(by_seed) > 1}


def waiting(differences: Differences, grid: Grid) -> list[str]:
    """For each length that lacks a planned pair, why there is no verdict yet."""
    return [
        f"{bits} bits: {len(planned & by_seed.keys())} of {len(planned)} planned pairs are finished, so far "
        f"{np.mean([*by_seed.values()]):+.4f} on average; the verdict waits for the last, since its error rates hold "
        "for one look"
        for bits, by_seed in differences.items()
        if not (planned := _planned(bits, grid)) <= by_seed.keys()
    ]


def single(differences: Differences, grid: Grid) -> list[int]:
    """The lengths whose only planned pair is finished, and which get no verdict."""
    return [
        bits for bits, by_seed in differences.items() if len(by_seed) == 1 == len(_planned(bits, grid) | by_seed.keys())
    ]


def control_differences(gathered: Gathered, kind: str) -> dict[str, list[float]]:
    """Framework -> its mAP in the control ``kind`` minus its own in the suite, a number a cell that both have."""
    suite_maps, control_maps = _maps(gathered.runs), _maps(gathered.controls[kind])
    cells = sorted(suite_maps.keys() & control_maps.keys())
    differences = {
        name: [control_maps[cell] - suite_maps[cell] for cell in cells if cell[0] == name] for name in run_order()
    }
    return {name: values for name, values in differences.items() if values}


def families_of(gathered: Gathered, bits: int) -> dict[str, list[float]]:
    """Part of the seed -> mAPs at one length with that part alone varying; the base run, if there is one, in each."""
    suite_maps, families = _at(_maps(gathered.runs), bits), {}
    for part, runs in gathered.families.items():
        if maps := _at(_maps(runs), bits):
            base = {(name, BASE_SEED) for name, _ in maps}
            families[part] = [*(suite_maps[cell] for cell in suite_maps if cell in base), *maps.values()]
    return families


def all_varying(gathered: Gathered, bits: int) -> list[float]:
    """The suite's own mAPs of the families' framework at one length, in which everything varies."""
    names = {cell[0] for runs in gathered.families.values() for cell in _maps(runs)}
    return [value for (name, _), value in _at(_maps(gathered.runs), bits).items() if name in names]


def rounding_maps(gathered: Gathered, bits: int) -> dict[str, dict[int, tuple[float, ...]]]:
    """Case of the study of rounding -> seed -> its mAPs at one length; seeds that lack one are left out.

    Of the floor, which is ``FLOOR[0]``: that of the run without a changed weight, then those with one. Of every other
    case: the other framework's and the reference's.
    """
    maps = {case: _at(_maps(runs), bits) for case, runs in gathered.rounding.items()}
    floor = [maps[SHARED], *(maps[case] for case in FLOOR)]
    found = {FLOOR[0]: [(of, reference().key) for of in floor]}
    found |= {case: [(of, name) for name in SIDES] for case, of in maps.items() if case not in FLOOR}
    seeds = sorted({seed for of in maps.values() for _, seed in of})
    return {
        case: {seed: tuple(of[name, seed] for of, name in sides) for seed in seeds if _has(sides, seed)}
        for case, sides in found.items()
    }


def _has(sides: Sequence[tuple[Mapping, str]], seed: int) -> bool:
    return all((name, seed) in of for of, name in sides)


def first_pair_over_queries(gathered: Gathered, bits: int, pair: Pair) -> tuple[int, QueryBootstrap] | None:
    """The lowest seed that both frameworks of a pair finished, and its two checkpoints over the queries.

    None where there are none, or their queries.csv are missing. Raises UserError for damaged ones.
    """
    seeds: dict[int, dict[str, Run]] = {}
    for run in gathered.runs:
        if run.recipe().bits == bits and run.queries_file.exists():
            seeds.setdefault(run.recipe().seed, {})[run.framework] = run
    for seed, runs in sorted(seeds.items()):
        if runs.keys() >= set(pair.keys):
            return seed, bootstrap_queries(*(runs[name].average_precisions() for name in pair.keys))
    return None


def _planned(bits: int, grid: Grid) -> set[int]:
    return set(grid.seeds.get(bits, []))


def _maps(runs: Iterable[Run]) -> dict[Cell, float]:
    results = [run.result() for run in runs]
    return {(result["framework"], result["bits"], result["seed"]): result["map_last"]["expected"] for result in results}


def _at(maps: Mapping[Cell, float], bits: int) -> dict[tuple[str, int], float]:
    return {(name, seed): value for (name, length, seed), value in maps.items() if length == bits}
