"""What a suite supports, in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass

from compare.frameworks.records import SIDES, Pair, named, reference, run_order, titles
from compare.page.data import SuiteData
from compare.stats.equivalence import overall
from compare.stats.pairs import Differences, decidable, differences_by_pair, waiting


@dataclass(frozen=True)
class Evidence:
    """``differences``: pair -> bits -> those of the last mAP, one number per seed that both finished; none is empty.

    ``aligned`` is None where no ladder was run; ``ladder`` is its verdict in words. ``conclusion`` is what a
    statistical test over the seeds concludes; it takes the place of the caution that stands there for one seed.
    ``comparable``: whether the runs make one table. ``measure``: mAP, or mAP@K.
    """

    planned: int
    finished: int
    frameworks: tuple[str, ...]
    differences: dict[Pair, dict[int, list[float]]]
    aligned: bool | None
    ladder: str
    conclusion: str = ""
    comparable: bool = True
    measure: str = "mAP"


def gather_evidence(suite_data: SuiteData) -> Evidence:
    """The evidence in a suite's folder."""
    differences = differences_by_pair(run_data.result for run_data in suite_data.finished)
    differences = {pair: by_bits for pair, by_bits in differences.items() if by_bits}
    finished = {run_data.cell.framework for run_data in suite_data.finished}
    return Evidence(
        planned=len(suite_data.runs),
        finished=len(suite_data.finished),
        frameworks=tuple(name for name in run_order() if name in finished),
        differences={
            pair: {bits: [*by_seed.values()] for bits, by_seed in by_bits.items()}
            for pair, by_bits in differences.items()
        },
        aligned=suite_data.align["passed"] if suite_data.align else None,
        ladder=suite_data.align["verdict"] if suite_data.align else "",
        conclusion="; ".join(filter(None, (_conclusion(*each, suite_data) for each in differences.items()))),
        comparable=suite_data.table is not None,
        measure=suite_data.measure,
    )


def _conclusion(pair: Pair, differences: Differences, suite_data: SuiteData) -> str:
    """The verdict of the test over seeds, or that it is pending; empty where one seed a length was planned."""
    notes = waiting(differences, suite_data.grid)
    judged = decidable(differences, suite_data.grid)
    if not judged or notes:
        return "; ".join(named(pair, note) for note in notes)
    verdicts = overall(judged, suite_data.recipe.margin)
    text = verdicts.sentence() if len(judged) > 1 else next(iter(verdicts.by_bits.values())).sentence()
    return named(pair, text, mark=": ")


def verdict(evidence: Evidence) -> str:
    """One sentence: what the measured difference and the ladder support, and what they do not."""
    if not evidence.finished:
        return f"No verdict: none of the {evidence.planned} planned runs is finished."
    if not evidence.comparable:
        return (
            f"No verdict: {evidence.finished} of {evidence.planned} runs are finished, but they make no table; the "
            "reason stands below."
        )
    if not evidence.differences:
        finished = f"{titles(evidence.frameworks)} finished {evidence.finished} of {evidence.planned} planned runs"
        return f"No comparison: {finished}, {_pairing(evidence.frameworks)}."
    whole = evidence.finished == evidence.planned
    so_far = "" if whole else f"So far ({evidence.finished} of {evidence.planned} runs finished): "
    measured = "; ".join(_measured(evidence.measure, *each) for each in evidence.differences.items())
    return f"{so_far}{_ladder(evidence)}; {measured}; {_caution(evidence)}."


def _pairing(frameworks: tuple[str, ...]) -> str:
    """Why none of these make a pair."""
    if len(frameworks) == 1:
        return "alone"
    if set(frameworks) == set(SIDES):
        return "at no length and seed did both frameworks finish"
    return f"at no length and seed did {reference().title} and another framework finish"


def _ladder(evidence: Evidence) -> str:
    """The ladder's verdict, which is about its two sides alone."""
    others = [name for name in evidence.frameworks if name not in SIDES]
    sides = titles(sorted(SIDES)) if others else ""
    if evidence.aligned is None:
        which = "the" if others else "both"
        return f"The alignment ladder was not run, so nothing here shows that {which} frameworks compute the same thing"
    if not evidence.aligned:
        return f"{sides or 'The two frameworks'} do NOT compute the same thing ({evidence.ladder})"
    who = sides or "Both frameworks"
    text = f"{who} compute the same thing as far as every rung of the alignment ladder can tell"
    return f"{text}, which does not compare {titles(others)}" if others else text


def _measured(measure: str, pair: Pair, differences: Mapping[int, list[float]]) -> str:
    means = {bits: sum(values) / len(values) for bits, values in differences.items()}
    if len(means) == 1:
        ((bits, mean),) = means.items()
        return f"{pair} in {measure} after training: {_signed(mean)} at {bits} bits"
    low, high = (choose(means, key=means.get) for choose in (min, max))
    text = f"{pair} in {measure} after training: {_signed(means[low])} ({low} bits)"
    return f"{text} to {_signed(means[high])} ({high} bits)"


def _caution(evidence: Evidence) -> str:
    if evidence.conclusion:
        return evidence.conclusion
    frameworks = "the two" if len(evidence.differences) == 1 else "they"
    return f"one seed gives no verdict on whether {frameworks} are equivalent on average"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")
