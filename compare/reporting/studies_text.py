"""What a suite's queries, controls and families of variance say, as notes and rows of the table."""

from collections.abc import Iterable

from compare.evidence.gather import Gathered
from compare.evidence.pairs import (
    Differences,
    all_varying,
    control_differences,
    families_of,
    first_pair_over_queries,
)
from compare.evidence.spread import noise_floor
from compare.evidence.variance import components
from compare.execution.studies import CONTROLS
from compare.worker import NAMES
from shared.runs import Run, threads_of

NOISE_TITLE = (
    "Noise floor (A/A): a framework's mAP minus its own in a run that differs in what should not matter, over all "
    "lengths and seeds, and how much more widely the frameworks' differences scatter."
)


def query_notes(gathered: Gathered) -> list[str]:
    """For every length, one pair of checkpoints over other choices of queries."""
    found = {bits: first_pair_over_queries(gathered, bits) for bits in gathered.grid.bits}
    return [
        f"Paddle - PyTorch, {bits} bits, seed {pair[0]}, {pair[1].sentence()}." for bits, pair in found.items() if pair
    ]


def noise_rows(gathered: Gathered, differences: Differences) -> list[dict[str, str]]:
    """A row for each control and framework with two runs or more."""
    frameworks = [value for by_seed in differences.values() for value in by_seed.values()]
    frameworks = frameworks if len(frameworks) > 1 else []
    return [
        {"control": f"{NAMES[name]}, {_control(gathered, kind)}"} | noise_floor(values, frameworks).cells()
        for kind in CONTROLS
        for name, values in control_differences(gathered, kind).items()
        if len(values) > 1
    ]


def variance_tables(gathered: Gathered, differences: Differences) -> list[dict]:
    """For every length that was studied: ``title``, ``rows`` and ``sentence``."""
    return [table for bits in gathered.grid.bits if (table := _variance_table(gathered, bits, differences))]


def _variance_table(gathered: Gathered, bits: int, differences: Differences) -> dict | None:
    families = {part: maps for part, maps in families_of(gathered, bits).items() if len(maps) > 1}
    if not families:
        return None
    pairs, together = list(differences.get(bits, {}).values()), all_varying(gathered, bits)
    found = components(families, *(values if len(values) > 1 else [] for values in (pairs, together)))
    names = sorted({NAMES[run.folder.parent.name] for runs in gathered.families.values() for run in runs})
    title = f"Where the spread of mAP at {bits} bits comes from: one source varies at a time ({', '.join(names)})."
    return {
        "title": title,
        "rows": found.cells(),
        "sentence": f"{found.sentence()[0].upper()}{found.sentence()[1:]}. A split has its own queries, so its part "
        "holds the choice of queries, too.",
    }


def _control(gathered: Gathered, kind: str) -> str:
    if kind == "dropout":
        return "its own dropout beside the shared masks"
    return f"{_threads(gathered.controls[kind])} beside {_threads(gathered.runs)} threads"


def _threads(runs: Iterable[Run]) -> str:
    return " or ".join(map(str, threads_of(runs))) or "?"
