"""The scores and the quality of codes as text."""

import numpy as np

from shared.scoring.code_quality import QUANTIZATION_RULE, CodeQuality, entropy
from shared.scoring.retrieval import Retrieval


def describe(result: Retrieval, argsort: float | None) -> str:
    """The scores as text; ``argsort`` is the published implementations' mAP, None without it."""
    ties, near = result.ties, result.within_radius_2
    queries, distances = result.counts.shape
    lines = [
        f"{queries} queries, {result.counts.sum(axis=1).max()} items, {distances - 1} bits",
        *_map_lines(result, argsort),
        f"ties       {ties.tied:.1%} of a ranking shares its distance, {ties.mixed:.1%} with relevant and other items; "
        f"{ties.distances:.1f} different distances",
        "precision  " + "  ".join(f"{value:.4f} @{rank}" for rank, value in result.precision_at.items()),
        f"radius 2   precision {near.precision:.4f}, recall {near.recall:.4f}, F1 {near.f1:.4f}",
        "11 points  " + " ".join(f"{value:.3f}" for value in result.eleven_points),
    ]
    if result.queries_without_relevant:
        lines.append(f"note       {result.queries_without_relevant} queries have no relevant item; they count as 0")
    return "\n".join(lines)


def describe_quality(quality: CodeQuality) -> str:
    """What the database's codes look like, as text."""
    of_bits = entropy(quality.balance)
    lines = [
        f"bits       share of ones {_range(quality.balance)}, entropy {_range(of_bits)}, mean {of_bits.mean():.4f}",
        f"           |correlation| of two bits {_correlation(quality)}",
        f"codes      {quality.distinct} different ones of {quality.items} items in {quality.classes} classes",
        f"distances  mean of pairs of items: {_bits(quality.within)} within classes, {_bits(quality.between)} between",
    ]
    if quality.quantization_error is None:
        return "\n".join([*lines, "quantized  error not known: the files hold no hash logits"])
    return "\n".join([*lines, f"quantized  error {quality.quantization_error:.4f}: {QUANTIZATION_RULE}"])


def _range(values: np.ndarray) -> str:
    return f"{values.min():.4f} to {values.max():.4f}"


def _correlation(quality: CodeQuality) -> str:
    pairs = quality.pair_correlation
    return f"mean {pairs['mean']:.4f}, largest {pairs['largest']:.4f}" if pairs else "not defined for one bit"


def _bits(distance: float | None) -> str:
    return "no pair" if distance is None else f"{distance:.4f} bits"


def _map_lines(result: Retrieval, argsort: float | None) -> list[str]:
    where = f" of the first {result.topk}, divided by: {result.denominator}" if result.topk else ""
    lines = [
        f"mAP        {result.map_expected:.4f}            expected over random order within ties{where}",
        f"           [{result.map_worst:.4f}, {result.map_best:.4f}]  under the worst and the best order within ties",
        f"           {result.map_stable:.4f}            by distance, then by position in the database",
    ]
    if argsort is not None:
        origin = "NumPy's default argsort, as in the published implementations (docs/score.md)"
        lines.append(f"           {argsort:.4f}            {origin}")
    return lines
