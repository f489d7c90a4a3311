"""Notes and rows of the table from a suite's query bootstrap, controls and variance families."""

from collections.abc import Iterable, Mapping
from itertools import product

from compare.frameworks.records import FRAMEWORKS, Pair, named, pairs
from compare.stats.gather import Gathered
from compare.stats.pairs import Differences, all_varying, control_differences, families_of, first_pair_over_queries
from compare.stats.spread import NoiseFloor, noise_floor
from compare.stats.variance import components
from compare.suite.studies import CONTROLS
from shared.training.runs import Run, threads_of


def noise_title() -> str:
    """What stands above the rows of the noise floor."""
    return (
        "Noise floor (A/A): each framework against itself, over all lengths and seeds. sd ratio: sd of "
        f"{' or of '.join(map(str, pairs()))} over this sd."
    )


def query_notes(gathered: Gathered) -> list[str]:
    """How far the first two checkpoints of each pair and length depend on the choice of queries."""
    return [note for pair in pairs() if (note := _query_note(gathered, pair))]


def _query_note(gathered: Gathered, pair: Pair) -> str:
    texts: dict[int, list[str]] = {}
    for bits in gathered.grid.bits:
        if bootstrap := first_pair_over_queries(gathered, bits, pair):
            texts.setdefault(bootstrap[0], []).append(f"{bits} bits {bootstrap[1].text()}")
    if not texts:
        return ""
    seeds = "; ".join(f"seed {seed}: {', '.join(lengths)}" for seed, lengths in texts.items())
    note = (
        f"Bootstrap over the queries, one pair of checkpoints per length, 95 % intervals; {seeds}. Evaluation noise "
        "only: another training run may differ by more."
    )
    return named(pair, note, mark=": ")


def noise_rows(gathered: Gathered, differences: Mapping[Pair, Differences]) -> list[dict[str, str]]:
    """A row for each control and framework with two runs or more, beside each pair that the framework is in."""
    return [
        {"control": f"{FRAMEWORKS[name].title}, {named(pair, control_text(gathered, kind))}"}
        | _noise(values, differences[pair]).cells()
        for kind in CONTROLS
        for name, values in control_differences(gathered, kind).items()
        if len(values) > 1
        for pair in _finished({pair: by_bits for pair, by_bits in differences.items() if FRAMEWORKS[name] in pair})
    ]


def _finished(differences: Mapping[Pair, Differences]) -> list[Pair]:
    """Those that have differences; the first, where none has."""
    return [pair for pair, by_bits in differences.items() if by_bits] or [*differences][:1]


def _noise(values: list[float], differences: Differences) -> NoiseFloor:
    beside = [value for by_seed in differences.values() for value in by_seed.values()]
    return noise_floor(values, beside if len(beside) > 1 else [])


def variance_tables(gathered: Gathered, differences: Mapping[Pair, Differences]) -> list[dict]:
    """For every pair and every length that was studied: ``title``, ``rows`` and ``sentence``."""
    studied = product(_finished(differences), gathered.grid.bits)
    return [table for pair, bits in studied if (table := _variance_table(gathered, bits, pair, differences[pair]))]


def _variance_table(gathered: Gathered, bits: int, pair: Pair, differences: Differences) -> dict | None:
    families = {part: maps for part, maps in families_of(gathered, bits).items() if len(maps) > 1}
    if not families:
        return None
    paired, together = list(differences.get(bits, {}).values()), all_varying(gathered, bits)
    parts = components(families, *(values if len(values) > 1 else [] for values in (paired, together)))
    names = sorted({FRAMEWORKS[run.framework].title for runs in gathered.families.values() for run in runs})
    measure = gathered.runs[0].recipe().measure
    title = f"Variance components of {measure} at {bits} bits: one source varies at a time ({', '.join(names)})."
    title = named(pair, title, mark=": ")
    return {
        "title": title,
        "rows": parts.cells(),
        "sentence": f"{parts.sentence()[0].upper()}{parts.sentence()[1:]}. A split has its own queries: its "
        "component includes the choice of queries.",
    }


def control_text(gathered: Gathered, kind: str) -> str:
    """What the runs of a control differ in from the suite's."""
    if kind == "dropout":
        return "native dropout vs shared masks"
    if kind == "last-place":
        return "one weight one unit in the last place away vs none"
    return f"{_threads(gathered.controls[kind])} vs {_threads(gathered.runs)} threads"


def _threads(runs: Iterable[Run]) -> str:
    return " or ".join(map(str, threads_of(runs))) or "?"
