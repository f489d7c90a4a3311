"""What a suite's queries, controls and families of variance say, as notes and rows of the table."""

from collections.abc import Iterable

from compare.frameworks.worker import NAMES
from compare.stats.gather import Gathered
from compare.stats.pairs import Differences, all_varying, control_differences, families_of, first_pair_over_queries
from compare.stats.spread import noise_floor
from compare.stats.variance import components
from compare.suite.studies import CONTROLS
from shared.training.runs import Run, threads_of

NOISE_TITLE = (
    "Noise floor (A/A): each framework against itself, over all lengths and seeds. sd ratio: sd of Paddle - PyTorch "
    "over this sd."
)


def query_notes(gathered: Gathered) -> list[str]:
    """How far one pair of checkpoints of each length depends on the choice of queries."""
    texts: dict[int, list[str]] = {}
    for bits in gathered.grid.bits:
        if pair := first_pair_over_queries(gathered, bits):
            texts.setdefault(pair[0], []).append(f"{bits} bits {pair[1].text()}")
    if not texts:
        return []
    seeds = "; ".join(f"seed {seed}: {', '.join(lengths)}" for seed, lengths in texts.items())
    return [
        f"Bootstrap over the queries, one pair of checkpoints per length, 95 % intervals; {seeds}. Evaluation noise "
        "only: another training run may differ by more."
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
    names = sorted({NAMES[run.framework] for runs in gathered.families.values() for run in runs})
    title = f"Variance components of mAP at {bits} bits: one source varies at a time ({', '.join(names)})."
    return {
        "title": title,
        "rows": found.cells(),
        "sentence": f"{found.sentence()[0].upper()}{found.sentence()[1:]}. A split has its own queries: its "
        "component includes the choice of queries.",
    }


def _control(gathered: Gathered, kind: str) -> str:
    if kind == "dropout":
        return "native dropout vs shared masks"
    return f"{_threads(gathered.controls[kind])} vs {_threads(gathered.runs)} threads"


def _threads(runs: Iterable[Run]) -> str:
    return " or ".join(map(str, threads_of(runs))) or "?"
