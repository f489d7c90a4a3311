"""The scores of codes as files, with every query and every point of the curves."""

from pathlib import Path

import numpy as np
import pandas as pd

from compare.page.code_picture import code_picture
from compare.page.figures import house_style, precision_recall_figure, save_figure
from shared.scoring.code_quality import CodeQuality
from shared.scoring.curves import PrecisionRecall
from shared.scoring.retrieval import Retrieval
from shared.system.files import atomic_path, make_folder, write_json

_EVERY_RANK_TO, _FURTHER_RANKS = 1000, 500


def write_scores(out: Path, result: Retrieval, argsort: float | None, quality: CodeQuality) -> None:
    """Write scores and quality into the folder ``out``: all numbers as JSON and CSV, and two figures."""
    make_folder(out)
    scores = result.summary() | ({} if argsort is None else {"argsort": argsort})
    choices = {"topk": result.topk, "denominator": result.denominator}
    codes = {"code_quality": quality.summary()}
    write_json(out / "scores.json", {"map": scores, **choices, **result.other_scores(), **codes})
    averages = {name: getattr(result, name) for name in ("ap_expected", "ap_best", "ap_worst", "ap_stable")}
    _write_csv(out / "queries.csv", pd.DataFrame({"relevant": result.relevant.sum(axis=1), **averages}), "query")
    ranks = _drawn_ranks(int(result.counts.sum(axis=1).max()))
    by_rank = result.rank_curve_at(ranks)
    _write_csv(out / "curves.csv", _curves(result, ranks, by_rank), None)
    title = f"mAP {result.map_expected:.4f}, {result.counts.shape[1] - 1} bits"
    save_figure(precision_recall_figure(by_rank, result.radius_curve, title), out / "precision_recall")
    with house_style():
        picture = code_picture({"Codes by class": quality.projection}, _label_text)
    save_figure(picture, out / "codes_by_class")


def _label_text(label: np.ndarray) -> str:
    """A class id, or those of a multi-hot row."""
    return str(int(label)) if label.ndim == 0 else "+".join(map(str, np.flatnonzero(label)))


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
