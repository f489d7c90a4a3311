"""The verdicts on a suite's paired differences: sentences below the table, and a table where lengths are several."""

from collections.abc import Mapping

from compare.frameworks.records import Pair, named
from compare.stats.anytime import interim
from compare.stats.equivalence import Paired, margin_text, overall, seed_averages
from compare.stats.pairs import Differences, decidable, single, waiting
from compare.stats.power import detectable_difference
from compare.suite.grid import Grid

_AVERAGE = "average over lengths"


def verdicts(pair: Pair, differences: Differences, equivalence_margin: float, grid: Grid) -> list[str]:
    """Whether a pair differs, length by length and together; nothing where only one of the two finished."""
    texts = [named(pair, f"{note}.") for note in waiting(differences, grid)]
    if single(differences, grid):
        text = f"No verdict: one seed per length shows no spread (--seeds); equivalence margin {equivalence_margin:g}."
        texts.append(named(pair, text, mark=": "))
    judged = decidable(differences, grid)
    found = {f"{bits} bits": [*by_seed.values()] for bits, by_seed in differences.items()}
    if judged:
        verdict = overall(judged, equivalence_margin)
        paired = {f"{bits} bits": length for bits, length in verdict.by_bits.items()}
        texts += [f"{pair}, {where}: {length.sentence()}." for where, length in paired.items()]
        if len(judged) > 1:
            texts.append(f"{pair}: {verdict.sentence()}.")
            found[_AVERAGE] = seed_averages(judged)
            paired |= {_AVERAGE: verdict.averaged} if verdict.averaged.verdict else {}
        # without any spread, as where both frameworks give the same bits, there is no chance to speak of
        texts += [f"{pair}, {where}: {_detectable(length)}." for where, length in paired.items() if length.sd]
    return texts + [
        f"{pair}, {where}, {at_any_time.sentence()}."
        for where, values in found.items()
        if len(set(values)) > 1 and (at_any_time := interim(values, equivalence_margin))
    ]


def verdict_tables(differences: Mapping[Pair, Differences], equivalence_margin: float, grid: Grid) -> list[dict]:
    """For each pair that several lengths decide on its verdicts: ``title`` and ``rows``, the last for the average."""
    judged = {pair: decidable(by_bits, grid) for pair, by_bits in differences.items()}
    return [
        {"title": _title(pair), "rows": _rows(by_bits, equivalence_margin)}
        for pair, by_bits in judged.items()
        if len(by_bits) > 1
    ]


def _title(pair: Pair) -> str:
    return f"{pair}: verdicts length by length, and all together: on each seed's average over these lengths."


def _rows(differences: Differences, equivalence_margin: float) -> list[dict[str, str]]:
    verdict = overall(differences, equivalence_margin)
    rows = {str(bits): length for bits, length in verdict.by_bits.items()} | {"average": verdict.averaged}
    return [{"bits": bits} | _cells(length) for bits, length in rows.items()]


def _cells(length: Paired) -> dict[str, str]:
    judged = length.verdict is not None
    return {
        "n": str(length.n),
        "mean": "-" if length.mean is None else f"{length.mean:+.4f}",
        "sd": f"{length.sd:.4f}" if judged else "-",
        "90 % interval": length.interval90.text() if judged else "-",
        "95 % interval": length.interval95.text() if judged else "-",
        f"verdict at {margin_text(length.equivalence_margin)}": length.verdict or "-",
    }


def _detectable(paired: Paired) -> str:
    size = detectable_difference(paired.n, paired.sd)
    return f"with sd {paired.sd:.4f} a true difference of {size:.4f} is detected with 80 % probability, n = {paired.n}"
