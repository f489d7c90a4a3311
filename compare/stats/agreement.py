"""How far apart two runs of one length and seed are beyond their mAP: query by query, and bit by bit of their codes.

Two trainings can end at one mAP and rank every query differently. So the frameworks' distance is shown beside that of a
framework from itself (A/A), where nothing but the number of threads, the dropout masks or rounding differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compare.stats.code_bits import BitsApart
from compare.stats.twins import Twins
from shared.system.errors import UserError

CHANGED = 0.05


@dataclass(frozen=True)
class QueriesApart:
    """``changed``: how many of the ``queries`` have an AP that differs by more than ``CHANGED``.

    ``mean``: mean absolute difference of AP.
    """

    queries: int
    changed: float
    mean: float


@dataclass(frozen=True)
class Distance:
    """Means over ``n`` twins of one comparison, whose ``control`` and ``frameworks`` are those of ``Twins``.

    ``bits``: the lengths. ``score``: of the absolute difference of mAP. ``queries``: of the twins that have their
    queries.csv, ``shares``: of the ``known`` twins, whose code bits are; None where there are none.
    """

    control: str
    frameworks: tuple[str, str]
    bits: tuple[int, ...]
    n: int
    score: float
    queries: QueriesApart | None
    shares: BitsApart | None
    known: int

    @property
    def comparison(self) -> tuple:
        """What is compared, whatever the length."""
        return self.control, self.frameworks


def queries_apart(first: Sequence[float], second: Sequence[float]) -> QueriesApart:
    """Of two runs' APs, in the order of the same queries; UserError for unequal numbers of them."""
    if len(first) != len(second):
        raise UserError(f"APs: expected the same queries on both sides, received {len(first)} and {len(second)}")
    differences = np.abs(np.subtract(first, second))
    return QueriesApart(len(differences), float((differences > CHANGED).sum()), float(differences.mean()))


def distances(twins: Sequence[Twins], shares: Mapping[Twins, BitsApart]) -> list[Distance]:
    """One for each comparison and length, the lengths together and the comparisons in the order of ``twins``.

    Raises UserError for a queries.csv that is damaged, or has other queries than its twin's.
    """
    groups: dict[tuple, list[Twins]] = {}
    for pair in twins:
        groups.setdefault((pair.control, pair.frameworks, pair.bits), []).append(pair)
    rows = [_distance(group, shares) for group in groups.values()]
    return sorted(rows, key=lambda row: row.bits)


def over_lengths(rows: Sequence[Distance]) -> list[Distance]:
    """One for each comparison, over the lengths that all of ``rows``' comparisons have; [] where there is none.

    A length counts once, however many seeds it has.
    """
    by_comparison: dict[tuple, dict[tuple[int, ...], Distance]] = {}
    for row in rows:
        by_comparison.setdefault(row.comparison, {})[row.bits] = row
    common = sorted(set.intersection(*(set(of) for of in by_comparison.values()))) if by_comparison else []
    return [_mean([of[bits] for bits in common]) for of in by_comparison.values()] if common else []


def _distance(twins: Sequence[Twins], shares: Mapping[Twins, BitsApart]) -> Distance:
    first, scores = twins[0], [[run.result()["map_last"]["expected"] for run in pair.runs] for pair in twins]
    known = [shares[pair] for pair in twins if pair in shares]
    return Distance(
        first.control,
        first.frameworks,
        (first.bits,),
        len(twins),
        float(np.abs(np.diff(scores)).mean()),
        _mean_queries([_queries(pair) for pair in twins if all(run.queries_file.exists() for run in pair.runs)]),
        _mean_shares(known),
        len(known),
    )


def _queries(twins: Twins) -> QueriesApart:
    try:
        return queries_apart(*(run.average_precisions() for run in twins.runs))
    except UserError as error:
        raise UserError(f"{twins.describe()}: {error}") from error


def _mean(rows: Sequence[Distance]) -> Distance:
    return Distance(
        *rows[0].comparison,
        tuple(bits for row in rows for bits in row.bits),
        sum(row.n for row in rows),
        float(np.mean([row.score for row in rows])),
        _mean_queries([row.queries for row in rows]) if all(row.queries for row in rows) else None,
        _mean_shares([row.shares for row in rows]) if all(row.shares for row in rows) else None,
        sum(row.known for row in rows),
    )


def _mean_queries(values: Sequence[QueriesApart]) -> QueriesApart | None:
    if not values:
        return None
    changed, mean = (float(np.mean([getattr(each, name) for each in values])) for name in ("changed", "mean"))
    return QueriesApart(values[0].queries, changed, mean)


def _mean_shares(values: Sequence[BitsApart]) -> BitsApart | None:
    return BitsApart(*np.mean(values, axis=0).tolist()) if values else None
