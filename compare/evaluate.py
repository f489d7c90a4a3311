"""Score anybody's codes: mean average precision by Hamming distance, exact under ties.

python compare/evaluate.py --query test.npz --database base.npz            arrays "codes" and "labels"
python compare/evaluate.py --query runs/demo/torch/bits12-seed2000         a run folder holds both
python compare/evaluate.py --query save/CSQ_cifar10 --out scores           DeepHash-pytorch's *_binary.npy, *_label.npy

Codes: (N, bits) of -1 and +1, of 0 and 1, or bool, or packed: uint64 words, uint8 bytes with --bits. Labels: class
ids, or multi-hot rows. Files: also .mat, .pt and .pth.
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
from collections.abc import Sequence
from pathlib import Path

from compare.scores.code_files import (
    CodeSet,
    add_file_options,
    common_bits,
    left_out,
    note_what_finds_itself,
    read_both,
)
from compare.scores.report import describe, describe_quality
from shared.codes.labels import checked_labels
from shared.codes.packing import packed_together
from shared.scoring.argsort_map import map_numpy_argsort
from shared.scoring.average_precision import DENOMINATORS
from shared.scoring.code_quality import CodeQuality, code_quality
from shared.scoring.retrieval import Retrieval, evaluate
from shared.system.errors import UserError, exit_status
from shared.system.files import check_writable
from shared.system.options import Parser
from shared.system.progress import Progress, make_progress


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/evaluate.py``."""
    parser = Parser(description=__doc__)
    add_file_options(parser, required=True)
    add = parser.add_argument
    add("--topk", type=int, metavar="K", help="score the first K items only")
    add("--denominator", choices=DENOMINATORS, default="found", help="what --topk divides by: see docs/score.md")
    add("--argsort", action="store_true", help="also the mAP that the published implementations would print")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="write scores.json, queries.csv, curves.csv, and precision_recall and codes_by_class as .png and .svg",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Score the codes that the command line names."""
    arguments = build_parser().parse_args(argv)
    if arguments.argsort and arguments.exclude_self:
        raise UserError(
            "--argsort: the published implementations rank every item; leave out --argsort or --exclude-self"
        )
    if arguments.out:
        check_writable(arguments.out)
    queries, database = read_both(arguments)
    codes_and_labels = (queries.codes, queries.labels, database.codes, database.labels)
    options = {"bits": common_bits(arguments.bits, queries, database), "zeros": arguments.zeros}
    excluded = left_out(arguments.exclude_self, queries, database)
    progress = make_progress("auto")
    try:
        result = _evaluate(codes_and_labels, options | {"exclude_self": excluded}, arguments, progress)
    finally:
        progress.close()
    if not result.counts.any():
        raise UserError("--exclude-self: expected items besides the query itself, received a database of one item")
    note_what_finds_itself(arguments.exclude_self, queries, database)
    quality = _quality(queries, database, options, picture=arguments.out is not None)
    if quality.warning:
        print(f"warning: the database is {quality.warning}", file=sys.stderr)
    argsort = map_numpy_argsort(*codes_and_labels, topk=arguments.topk, **options) if arguments.argsort else None
    print(f"{describe(result, argsort)}\n{describe_quality(quality)}")
    if arguments.out:
        from compare.scores.score_files import write_scores  # pandas and matplotlib

        write_scores(arguments.out, result, argsort, quality)
        figures = "precision_recall and codes_by_class as .png and .svg"
        print(f"\nwritten to {arguments.out}: scores.json, queries.csv, curves.csv, {figures}")


def _quality(queries: CodeSet, database: CodeSet, options: dict, picture: bool) -> CodeQuality:
    """That of the database's codes."""
    words, bits = packed_together({"query": queries.codes, "database": database.codes}, **options)["database"]
    labels = checked_labels(database.labels, words.shape, "database")
    return code_quality(words, bits, labels, database.bit_margin, picture)


def _evaluate(codes_and_labels: tuple, options: dict, arguments: argparse.Namespace, progress: Progress) -> Retrieval:
    choices = {"topk": arguments.topk, "denominator": arguments.denominator}
    choices["progress"] = lambda done, total: progress.update("score", done, total)
    return evaluate(*codes_and_labels, **options, **choices)


if __name__ == "__main__":
    sys.exit(exit_status(main))
