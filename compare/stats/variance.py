"""Where the run-to-run spread of mAP comes from: one source of randomness at a time, and all of them together.

The design. One base run has the base seed for everything. For each source (split, initial weights, batch order,
dropout) a family of runs follows in which that seed alone differs; the base run counts in every family. Pairs of one
run in each framework, all seeds varying from pair to pair, give the framework's part, and one framework's runs of these
pairs are the runs in which everything varies (Bouthillier et al. 2021 vary sources so, one at a time).

What a family's variance is. It is the source's own effect plus its interactions with all others: its total effect
(Homma and Saltelli 1996). Where sources act independently the parts add up to the variance with all of them varying.
Where each of them alone sends training down another path, as small changes can (Summers and Dinneen 2021), every part
is nearly as large as the whole, and the sum exceeds it. So the sum is reported beside the whole.

The framework's part, on the same scale: the variance of a run whose framework a fair coin chooses, other things being
equal. Two levels, d apart, have variance (d / 2)^2; over the pairs, mean(d^2) / 4 is an unbiased estimate of
(mean difference^2 + variance of the differences) / 4. Its chi-square interval has n degrees of freedom, as nothing is
subtracted; it is exact for a mean difference of 0 and wider than it need be otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from compare.stats.equivalence import Interval, mean_and_sd
from compare.stats.spread import sd_interval, several
from shared.system.errors import UserError

FRAMEWORK, TOGETHER = "framework", "all seeds together"
_DRAWS = 20_000


@dataclass(frozen=True)
class Component:
    """What one source contributes: the ``sd`` of mAP over ``n`` runs (pairs, for the framework) and its 95 % interval.

    ``share``: its variance over the sum of all sources'; None where nothing varies and for all seeds together.
    """

    source: str
    n: int
    sd: float
    interval: Interval
    share: float | None = None
    share_interval: Interval | None = None

    def cells(self) -> dict[str, str]:
        """Its row of the table: heading -> text."""
        known = self.share is not None
        return {
            "source": self.source,
            "n": str(self.n),
            "sd of mAP": f"{self.sd:.4f}",
            "95 % interval": self.interval.text(".4f"),
            "share": f"{self.share:.0%}" if known else "-",
            "95 % interval of the share": self.share_interval.text(".0%") if known else "-",
        }


@dataclass(frozen=True)
class Components:
    """One row a source. ``ratio``: the seeds' variances, summed, over the variance with all seeds varying ``together``.

    The ratio is 1 where sources act independently, and None where there are no such runs or these do not scatter.
    """

    rows: tuple[Component, ...]
    together: Component | None
    ratio: float | None
    ratio_interval: Interval | None

    def cells(self) -> list[dict[str, str]]:
        """The table, a row a source and a last one for all seeds together."""
        return [row.cells() for row in (*self.rows, self.together) if row]

    def sentence(self) -> str:
        """Whether the parts add up to the whole."""
        if self.ratio is None:
            return "whether the parts add up is unknown: there are no runs in which all seeds vary and mAP with them"
        if self.ratio_interval.low > 1:
            reading = "more than the whole: sources act through one another, and a share is not what fixing one saves"
        elif self.ratio_interval.high < 1:
            reading = "less than the whole: something else varies, or a source weighs more away from the base seeds"
        else:
            reading = "the interval includes 1, the value for sources that act independently"
        interval = self.ratio_interval.text(".2f")
        return f"the seeds' variances add up to {self.ratio:.2f} times the whole, 95 % interval {interval}: {reading}"


class _Part(NamedTuple):
    source: str
    n: int
    degrees: int
    variance: float


def components(
    families: Mapping[str, Sequence[float]], differences: Sequence[float] = (), together: Sequence[float] = ()
) -> Components:
    """The table of components by the design at the head of this file.

    ``families``: source -> mAPs of one framework's runs that differ in this source's seed alone. ``differences``:
    those between two frameworks. ``together``: mAPs of the same framework's runs in which all these seeds differ,
    and no others. Raises UserError without families and for fewer than two numbers in any of them.

    Intervals of shares and of the ratio are generalised confidence intervals (Weerahandi 1993): 95 % of what they come
    to when each variance is degrees of freedom times estimate over a chi-square draw; the draws are always the same.
    """
    if not families:
        raise UserError("components: expected runs in which one source's seed varies, received none")
    seeds = [_seed_part(source, maps) for source, maps in families.items()]
    sources = seeds + ([_framework_part(differences)] if len(differences) else [])
    shares, share_intervals = _shares(sources)
    rows = tuple(map(_component, sources, shares, share_intervals))
    if not len(together):
        return Components(rows, None, None, None)
    whole = _seed_part(TOGETHER, together)
    return Components(rows, _component(whole), *_sum_over_whole(seeds, whole))


def _component(part: _Part, share: float | None = None, share_interval: Interval | None = None) -> Component:
    sd = float(np.sqrt(part.variance))
    return Component(part.source, part.n, sd, sd_interval(sd, part.degrees), share, share_interval)


def _seed_part(source: str, maps: Sequence[float]) -> _Part:
    values = several(f"runs with varying {source}", maps)
    return _Part(source, len(values), len(values) - 1, mean_and_sd(values)[1] ** 2)


def _framework_part(differences: Sequence[float]) -> _Part:
    values = several("framework differences", differences)
    return _Part(FRAMEWORK, len(values), len(values), float(np.mean(values**2)) / 4)


def _shares(parts: list[_Part]) -> tuple[list[float | None], list[Interval | None]]:
    """Each part's share of the sum, and the intervals; None for all where the sum is 0."""
    total = sum(part.variance for part in parts)
    if total == 0:
        return [None] * len(parts), [None] * len(parts)
    drawn = _draws(parts)
    return [part.variance / total for part in parts], [_middle(draws / drawn.sum(axis=0)) for draws in drawn]


def _sum_over_whole(seeds: list[_Part], whole: _Part) -> tuple[float | None, Interval | None]:
    if whole.variance == 0:
        return None, None
    *parts, all_together = _draws([*seeds, whole])
    return sum(part.variance for part in seeds) / whole.variance, _middle(sum(parts) / all_together)


def _draws(parts: list[_Part]) -> np.ndarray:
    """Variances that could have given the estimates, (parts, draws)."""
    # RandomState: its numbers never change with NumPy's version, so a table is written again byte for byte
    generator = np.random.RandomState(0)
    return np.array([part.degrees * part.variance / generator.chisquare(part.degrees, _DRAWS) for part in parts])


def _middle(drawn: np.ndarray) -> Interval:
    """The middle 95 % of the draws."""
    return Interval(*np.quantile(drawn, (0.025, 0.975)).tolist())
