"""What a suite supports, in one sentence."""

from dataclasses import dataclass

from compare.frameworks.worker import NAMES
from compare.page.data import Material
from compare.stats.equivalence import overall
from compare.stats.pairs import decidable, paired_differences, waiting
from shared.training.runs import FRAMEWORKS


@dataclass(frozen=True)
class Evidence:
    """``differences``: bits -> Paddle - PyTorch of the last mAP, one number per seed that both finished.

    ``aligned`` is None where no ladder was run; ``ladder`` is its verdict in words. ``conclusion`` is what a
    statistical test over the seeds concludes; it takes the place of the caution that stands there for one seed.
    ``comparable``: whether the runs make one table.
    """

    planned: int
    finished: int
    frameworks: tuple[str, ...]
    differences: dict[int, list[float]]
    aligned: bool | None
    ladder: str
    conclusion: str = ""
    comparable: bool = True


def gather_evidence(material: Material) -> Evidence:
    """The evidence in a suite's folder."""
    differences = paired_differences(member.result for member in material.finished)
    return Evidence(
        planned=len(material.members),
        finished=len(material.finished),
        frameworks=tuple(n for n in FRAMEWORKS if any(member.cell.framework == n for member in material.finished)),
        differences={bits: [*by_seed.values()] for bits, by_seed in differences.items()},
        aligned=material.align["passed"] if material.align else None,
        ladder=material.align["verdict"] if material.align else "",
        conclusion=_conclusion(differences, material),
        comparable=material.table is not None,
    )


def _conclusion(differences: dict[int, dict[int, float]], material: Material) -> str:
    """What the test over seeds says, or that it has yet to come; nothing where one seed a length was planned."""
    notes = waiting(differences, material.grid)
    judged = decidable(differences, material.grid)
    if not judged or notes:
        return "; ".join(notes)
    found = overall(judged, material.recipe.margin)
    return found.sentence() if len(judged) > 1 else next(iter(found.by_bits.values())).sentence()


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
        names = " and ".join(NAMES[name] for name in evidence.frameworks)
        pairing = "at no length and seed did both frameworks finish" if len(evidence.frameworks) > 1 else "alone"
        return f"No comparison: {names} finished {evidence.finished} of {evidence.planned} planned runs, {pairing}."
    whole = evidence.finished == evidence.planned
    so_far = "" if whole else f"So far ({evidence.finished} of {evidence.planned} runs finished): "
    return f"{so_far}{_ladder(evidence)}; {_measured(evidence.differences)}; {_caution(evidence)}."


def _ladder(evidence: Evidence) -> str:
    if evidence.aligned is None:
        return "The alignment ladder was not run, so nothing here shows that both frameworks compute the same thing"
    if not evidence.aligned:
        return f"The two frameworks do NOT compute the same thing ({evidence.ladder})"
    return "Both frameworks compute the same thing as far as every rung of the alignment ladder can tell"


def _measured(differences: dict[int, list[float]]) -> str:
    means = {bits: sum(values) / len(values) for bits, values in differences.items()}
    if len(means) == 1:
        ((bits, mean),) = means.items()
        return f"Paddle - PyTorch in mAP after training: {_signed(mean)} at {bits} bits"
    low, high = (choose(means, key=means.get) for choose in (min, max))
    return (
        f"Paddle - PyTorch in mAP after training: {_signed(means[low])} ({low} bits) to {_signed(means[high])} "
        f"({high} bits)"
    )


def _caution(evidence: Evidence) -> str:
    if evidence.conclusion:
        return evidence.conclusion
    return "one seed gives no verdict on whether the two are equivalent on average"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")
