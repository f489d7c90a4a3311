"""How far two runs of one length and seed are apart, the frameworks' beside a framework's from itself, as text."""

from collections.abc import Mapping, Sequence

from compare.frameworks.records import FRAMEWORKS
from compare.stats.agreement import CHANGED, Distance, distances, over_lengths
from compare.stats.code_bits import BitsApart
from compare.stats.gather import Gathered
from compare.stats.twins import Twins
from compare.tables.studies_text import control_text
from shared.system.words import listed

_NO_CONTROL = "how far a framework is from itself was not measured (--control)"


def agreement_table(gathered: Gathered, twins: Sequence[Twins], shares: Mapping[Twins, BitsApart]) -> dict:
    """``title``, ``rows`` and the ``sentence`` that ends the page; {} where no bits are known.

    Older suites have their queries' APs alone, and their tables stay as they are.
    """
    if not shares:
        return {}
    rows, measure = distances(twins, shares), gathered.runs[0].recipe().measure
    return {
        "title": f"How far two runs of one length and seed are apart, means over n: absolute difference of {measure}, "
        f"queries whose AP differs by more than {CHANGED}, absolute difference of AP, and code bits that differ. The "
        "frameworks first, then each framework from itself (A/A).",
        "rows": [_cells(row, gathered, measure) for row in rows],
        "sentence": _sentence(over_lengths(rows), gathered, measure),
    }


def device_notes(gathered: Gathered, twins: Sequence[Twins]) -> list[str]:
    """Which runs are compared with one of another device, which then is part of what separates them."""
    of: dict[str, list[Twins]] = {}
    for pair in twins:
        of.setdefault(_runs(pair, gathered), []).append(pair)
    texts = [text for runs, group in of.items() if (text := _across_devices(runs, group))]
    return [f"Compared across devices, so the device is part of the difference: {'; '.join(texts)}."] if texts else []


def _across_devices(runs: str, twins: Sequence[Twins]) -> str:
    mixed = [pair.devices for pair in twins if len(pair.devices) > 1]
    devices = " or ".join(" and ".join(both) for both in dict.fromkeys(mixed))
    return f"{runs}, {len(mixed)} of {len(twins)} ({devices})" if mixed else ""


def _cells(row: Distance, gathered: Gathered, measure: str) -> dict[str, str]:
    partly = f" (n={row.known})" if row.known != row.n else ""
    return {
        "bits": str(row.bits[0]),
        "runs": _runs(row, gathered),
        "n": str(row.n),
        measure: f"{row.score:.4f}",
        f"AP off > {CHANGED}": _changed(row) if row.queries else "-",
        "mean AP": f"{row.queries.mean:.4f}" if row.queries else "-",
        "query bits": f"{100 * row.shares.queries:.2f} %{partly}" if row.shares else "-",
        "database bits": f"{100 * row.shares.database:.2f} %{partly}" if row.shares else "-",
    }


def _changed(row: Distance) -> str:
    return f"{row.queries.changed:.0f} of {row.queries.queries}"


def _runs(compared: Distance | Twins, gathered: Gathered) -> str:
    """The frameworks' names, or one with what its control changes, such as "2 vs 1 threads"."""
    names = [FRAMEWORKS[name].short for name in compared.frameworks]
    return f"{names[0]}, {control_text(gathered, compared.control)}" if compared.control else listed(names)


def _sentence(rows: Sequence[Distance], gathered: Gathered, measure: str) -> str:
    """The frameworks' distances beside those of a framework from itself, over the lengths that all of them have."""
    if not rows:
        return "No length has all of these comparisons yet, so they are not put beside one another in a sentence."
    between = [f"{_runs(row, gathered)} are apart by {_apart([row], measure)}" for row in rows if not row.control]
    itself = [row for row in rows if row.control]
    of = f"{len(itself)} controls, each " if len(itself) > 1 else "".join(f"{_runs(row, gathered)}, " for row in itself)
    floor = f"a framework is apart from itself by {_apart(itself, measure, of)}" if itself else _NO_CONTROL
    return f"Over {listed(rows[0].bits)} bits, {'; '.join([*between, floor])}."


def _apart(rows: Sequence[Distance], measure: str, of: str = "") -> str:
    """The three distances, from the least to the greatest of ``rows``, with what they are ``of`` and n."""
    parts = [f"{_span([row.score for row in rows], '.4f')} {measure}"]
    if all(row.queries for row in rows):
        changed = _span([row.queries.changed for row in rows], ".0f")
        parts.append(f"more than {CHANGED} AP at {changed} of {rows[0].queries.queries} queries")
    if all(row.shares for row in rows):
        parts.append(f"{_span([100 * row.shares.database for row in rows], '.1f')} % of the database's code bits")
    return f"{listed(parts)} ({of}n = {_span([row.n for row in rows], 'd')})"


def _span(numbers: Sequence[float], form: str) -> str:
    """ "3 to 5", or the one number that both ends are as written."""
    return " to ".join(dict.fromkeys(format(end, form) for end in (min(numbers), max(numbers))))
