"""What was asked of benchmark.py for a suite and its studies, as far as their runs show it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from compare.frameworks.records import FRAMEWORKS, reference
from compare.stats.gather import Gathered
from compare.suite.grid import Grid
from shared.config.kernels import NATIVE
from shared.config.recipe import BASE_SEED
from shared.training.runs import Run

# bits -> seeds
_Seeds = dict[int, tuple[int, ...]]


class Asked(NamedTuple):
    """One command: its ``bits`` and ``seeds``, and the ``options`` for frameworks and studies."""

    bits: list[int]
    seeds: tuple[int, ...]
    options: list[str]


class _Study(NamedTuple):
    option: str
    frameworks: list[str]
    seeds: _Seeds


def asked_of(gathered: Gathered) -> list[Asked]:
    """The suite's commands, each with the studies that have all its runs, then those of the other studies."""
    grid = gathered.grid
    seeds = {bits: tuple(grid.seeds[bits]) for bits in grid.bits}
    groups, commands, rest = _by_seeds(seeds), [], []
    studies = [study for study in (_control(gathered), _variance(gathered), _rounding(gathered)) if study.seeds]
    for same, bits in groups.items():
        whole = [study.option for study in studies if _covers(study, same, bits, grid)]
        commands.append(Asked(bits, same, [*_frameworks(grid.frameworks), *whole]))
    for study in studies:
        covered = {length for same, bits in groups.items() if _covers(study, same, bits, grid) for length in bits}
        left = {bits: of for bits, of in study.seeds.items() if bits not in covered}
        options = [*_frameworks(study.frameworks), study.option]
        rest += [Asked(bits, same, options) for same, bits in _by_seeds(left).items()]
    return commands + rest


def _control(gathered: Gathered) -> _Study:
    runs = [run for of_kind in gathered.controls.values() for run in of_kind]
    names = {run.framework for run in runs}
    return _Study("--control", [name for name in gathered.grid.frameworks if name in names], _seeds_of(runs, gathered))


def _variance(gathered: Gathered) -> _Study:
    """One framework has the families: the suite's frameworks lead to it, unless it was asked for alone."""
    grid, runs = gathered.grid, [run for family in gathered.families.values() for run in family]
    chosen = [reference().key] if reference().key in grid.frameworks else grid.frameworks[:1]
    names = sorted({run.framework for run in runs})
    seeds = _seeds_of(runs, gathered, also=[BASE_SEED])  # the run with it is the suite's own
    return _Study("--variance", grid.frameworks if names == chosen else names, seeds)


def _rounding(gathered: Gathered) -> _Study:
    runs = [run for case, of_case in gathered.rounding.items() if case != NATIVE for run in of_case]
    return _Study("--rounding", gathered.grid.frameworks, _seeds_of(runs, gathered))


def _seeds_of(runs: Iterable[Run], gathered: Gathered, also: Sequence[int] = ()) -> _Seeds:
    """The seeds of ``runs`` at each length, and ``also`` those, as far as the suite has them; in its order."""
    found: dict[int, set[int]] = {}
    for run in runs:
        recipe = run.recipe()
        found.setdefault(recipe.bits, set(also)).add(recipe.seed)
    planned = gathered.grid.seeds
    return {bits: tuple(seed for seed in planned.get(bits, []) if seed in found[bits]) for bits in sorted(found)}


def _covers(study: _Study, seeds: Sequence[int], bits: Iterable[int], grid: Grid) -> bool:
    """Whether it has all runs that the suite has at these lengths."""
    same_frameworks = set(study.frameworks) == set(grid.frameworks)
    return same_frameworks and all(study.seeds.get(length) == tuple(seeds) for length in bits)


def _by_seeds(seeds: Mapping[int, tuple[int, ...]]) -> dict[tuple[int, ...], list[int]]:
    """Seeds -> the lengths that have these."""
    lengths: dict[tuple[int, ...], list[int]] = {}
    for bits, of in seeds.items():
        if of:
            lengths.setdefault(of, []).append(bits)
    return lengths


def _frameworks(names: Sequence[str]) -> list[str]:
    return [] if set(names) == set(FRAMEWORKS) else ["--frameworks", *names]
