"""The verdicts on a suite's paired differences: sentences below the table, and a table where lengths are several."""

from collections.abc import Mapping

from compare.frameworks.records import Pair, named
from compare.stats.anytime import interim
from compare.stats.equivalence import Paired, margin_text, overall, paired, seed_averages
from compare.stats.pairs import Differences, decidable, single, waiting
from compare.stats.power import detectable_difference
from compare.suite.grid import Grid

_COLUMNS = (
    "Detected: the smallest true difference that would be detected with 80 % probability at this n and sd. Anytime: "
    "95 % interval that holds after any number of pairs. P within: probability that the mean is inside the margin, by "
    "a flat prior."
)


def verdicts(pair: Pair, differences: Differences, equivalence_margin: float, grid: Grid) -> list[str]:
    """Whether a pair differs, length by length and together; nothing where only one of the two finished.

    What ``verdict_tables`` shows of several lengths in columns is no sentence here.
    """
    texts = [named(pair, f"{note}.") for note in waiting(differences, grid)]
    if single(differences, grid):
        text = f"No verdict: one seed per length shows no spread (--seeds); equivalence margin {equivalence_margin:g}."
        texts.append(named(pair, text, mark=": "))
    judged = decidable(differences, grid)
    if judged:
        verdict = overall(judged, equivalence_margin)
        texts += [f"{pair}, {bits} bits: {length.sentence()}." for bits, length in verdict.by_bits.items()]
        if len(judged) > 1:
            texts.append(f"{pair}: {verdict.sentence()}.")
    in_columns = judged if len(judged) > 1 else {}
    return texts + [
        f"{pair}, {bits} bits{text}."
        for bits, by_seed in differences.items()
        if bits not in in_columns
        for text in _beside_the_verdict([*by_seed.values()], equivalence_margin, bits in judged)
    ]


def _beside_the_verdict(values: list[float], equivalence_margin: float, judged: bool) -> list[str]:
    """What a length could have shown, and what may be said at any time; nothing where there is no spread."""
    length = paired(values, equivalence_margin)
    if not length.sd:
        return []
    at_any_time = f", {interim(values, equivalence_margin).sentence()}"
    return [f": {_detected(length)}", at_any_time] if judged else [at_any_time]


def _detected(length: Paired) -> str:
    size = detectable_difference(length.n, length.sd)
    return f"with sd {length.sd:.4f} a true difference of {size:.4f} is detected with 80 % probability, n = {length.n}"


def verdict_tables(differences: Mapping[Pair, Differences], equivalence_margin: float, grid: Grid) -> list[dict]:
    """For each pair that several lengths decide on its verdicts: ``title`` and ``rows``, the last for the average."""
    judged = {pair: decidable(by_bits, grid) for pair, by_bits in differences.items()}
    return [
        {"title": _title(pair), "rows": _rows(by_bits, equivalence_margin)}
        for pair, by_bits in judged.items()
        if len(by_bits) > 1
    ]


def _title(pair: Pair) -> str:
    together = "verdicts length by length, and all together: on each seed's average over these lengths."
    return f"{pair}: {together} {_COLUMNS}"


def _rows(differences: Differences, equivalence_margin: float) -> list[dict[str, str]]:
    values = {str(bits): [*by_seed.values()] for bits, by_seed in sorted(differences.items())}
    values["average"] = seed_averages(differences)
    return [{"bits": bits} | _cells(numbers, equivalence_margin) for bits, numbers in values.items()]


def _cells(values: list[float], equivalence_margin: float) -> dict[str, str]:
    length = paired(values, equivalence_margin)
    judged = length.verdict is not None
    at_any_time = interim(values, equivalence_margin) if length.sd else None
    return {
        "n": str(length.n),
        "mean": "-" if length.mean is None else f"{length.mean:+.4f}",
        "sd": f"{length.sd:.4f}" if judged else "-",
        "90 % interval": length.interval90.text() if judged else "-",
        "95 % interval": length.interval95.text() if judged else "-",
        f"verdict at {margin_text(equivalence_margin)}": length.verdict or "-",
        "detected": f"{detectable_difference(length.n, length.sd):.4f}" if length.sd else "-",
        "anytime": at_any_time.interval_text() if at_any_time else "-",
        "P within": f"{at_any_time.probability:.2f}" if at_any_time else "-",
    }
