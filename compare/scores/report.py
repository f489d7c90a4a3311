"""The scores of codes as text, and as files with every query and every point of the curves."""

from pathlib import Path

import numpy as np
import pandas as pd

from compare.page.figures import precision_recall_figure, save_figure
from shared.scoring.curves import PrecisionRecall
from shared.scoring.retrieval import Retrieval
from shared.system.files import atomic_path, make_folder, write_json

_EVERY_RANK_TO, _FURTHER_RANKS = 1000, 500


def describe(result: Retrieval, argsort: float | None) -> str:
    """The scores as text; ``argsort`` is the ports' number, None if not asked for."""
    ties, near = result.ties, result.within_radius_2
    queries, distances = result.items.shape
    lines = [
        f"{queries} queries, {result.items.sum(axis=1).max()} items, {distances - 1} bits",
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


def _map_lines(result: Retrieval, argsort: float | None) -> list[str]:
    where = f" of the first {result.topk}, divided by: {result.denominator}" if result.topk else ""
    lines = [
        f"mAP        {result.map_expected:.4f}            expected over random order within ties{where}",
        f"           [{result.map_worst:.4f}, {result.map_best:.4f}]  under the worst and the best order within ties",
        f"           {result.map_stable:.4f}            by distance, then by position in the database",
    ]
    if argsort is not None:
        lines.append(
            f"           {argsort:.4f}            NumPy's default argsort, as in the published ports (docs/score.md)"
        )
    return lines


def write_scores(out: Path, result: Retrieval, argsort: float | None) -> None:
    """Write what ``describe`` says and more into the folder ``out``: JSON, CSV, and a figure."""
    make_folder(out)
    scores = result.summary() | ({} if argsort is None else {"argsort": argsort})
    choices = {"topk": result.topk, "denominator": result.denominator}
    write_json(out / "scores.json", {"map": scores, **choices, **result.other_scores()})
    averages = {name: getattr(result, name) for name in ("ap_expected", "ap_best", "ap_worst", "ap_stable")}
    _write_csv(out / "queries.csv", pd.DataFrame({"relevant": result.relevant.sum(axis=1), **averages}), "query")
    ranks = _drawn_ranks(int(result.items.sum(axis=1).max()))
    by_rank = result.rank_curve_at(ranks)
    _write_csv(out / "curves.csv", _curves(result, ranks, by_rank), None)
    title = f"mAP {result.map_expected:.4f}, {result.items.shape[1] - 1} bits"
    save_figure(precision_recall_figure(by_rank, result.radius_curve, title), out / "precision_recall")


def _drawn_ranks(last: int) -> np.ndarray:
    """Every rank up to 1,000, then ever fewer."""
    near = min(last, _EVERY_RANK_TO)
    return np.unique([*range(1, near + 1), *np.geomspace(near, last, _FURTHER_RANKS).round().astype(int)])


def _curves(result: Retrieval, ranks: np.ndarray, by_rank: PrecisionRecall) -> pd.DataFrame:
    by_radius = pd.DataFrame(result.radius_curve._asdict()).rename_axis("at").reset_index()
    by_rank = pd.DataFrame({"at": ranks, **by_rank._asdict()})
    return pd.concat([by_radius.assign(by="radius"), by_rank.assign(by="rank")])[["by", "at", "precision", "recall"]]


def _write_csv(path: Path, rows: pd.DataFrame, index: str | None) -> None:
    with atomic_path(path) as temporary:
        rows.to_csv(temporary, index=index is not None, index_label=index)
