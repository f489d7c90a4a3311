"""Score anybody's codes: mean average precision by Hamming distance, exact under ties.

python compare/evaluate.py --query test.npz --database base.npz            arrays "codes" and "labels"
python compare/evaluate.py --query runs/demo/torch/bits12-seed2000         a run folder holds both
python compare/evaluate.py --query save/CSQ_cifar10 --out scores           DeepHash-pytorch's *_binary.npy, *_label.npy

Codes: (N, bits) of -1 and +1, of 0 and 1, or bool, or packed: uint64 words, uint8 bytes with --bits. Labels: class
ids, or multi-hot rows. Files: also .mat, .pt and .pth.
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "shared" / "system" / "entry.py"))

import argparse
import sys

import numpy as np
import pandas as pd

from compare.code_files import add_file_options, common_bits, left_out, note_what_finds_itself, read_both
from compare.figures import precision_recall_figure, save_figure
from shared.scoring.argsort_map import map_numpy_argsort
from shared.scoring.average_precision import DENOMINATORS
from shared.scoring.curves import PrecisionRecall
from shared.scoring.retrieval import Retrieval, evaluate
from shared.system.errors import UserError, exit_status
from shared.system.files import atomic_path, make_folder, write_json
from shared.system.options import Parser
from shared.system.progress import Progress, make_progress

_EVERY_RANK_TO, _FURTHER_RANKS = 1000, 500


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/evaluate.py``."""
    parser = Parser(description=__doc__)
    add_file_options(parser, required=True)
    add = parser.add_argument
    add("--topk", type=int, metavar="K", help="score the first K items only")
    add("--denominator", choices=DENOMINATORS, default="found", help="what --topk divides by: see the README")
    add("--argsort", action="store_true", help="also the number that the published ports would print")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="write scores.json, queries.csv, curves.csv and precision_recall.png/.svg",
    )
    return parser


def main() -> None:
    """Score the codes that the command line names."""
    arguments = build_parser().parse_args()
    if arguments.argsort and arguments.exclude_self:
        raise UserError("--argsort: the published ports rank every item; leave out --argsort or --exclude-self")
    queries, database = read_both(arguments)
    both = (queries.codes, queries.labels, database.codes, database.labels)
    options = {"bits": common_bits(arguments.bits, queries, database), "zeros": arguments.zeros}
    own = left_out(arguments.exclude_self, queries, database)
    progress = make_progress("auto")
    try:
        result = _evaluate(both, options | {"exclude_self": own}, arguments, progress)
    finally:
        progress.close()
    if not result.items.any():
        raise UserError("--exclude-self: expected items besides the query itself, received a database of one item")
    note_what_finds_itself(arguments.exclude_self, queries, database)
    argsort = map_numpy_argsort(*both, topk=arguments.topk, **options) if arguments.argsort else None
    print(describe(result, argsort))
    if arguments.out:
        write_scores(arguments.out, result, argsort)
        print(f"\nwritten to {arguments.out}: scores.json, queries.csv, curves.csv, precision_recall.png and .svg")


def _evaluate(both: tuple, options: dict, arguments: argparse.Namespace, progress: Progress) -> Retrieval:
    choices = {"topk": arguments.topk, "denominator": arguments.denominator}
    return evaluate(*both, **options, **choices, progress=lambda done, total: progress.update("score", done, total))


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
            f"           {argsort:.4f}            NumPy's default argsort, as in the published ports (see README)"
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


if __name__ == "__main__":
    sys.exit(exit_status(main))
