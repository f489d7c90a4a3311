"""The scores of one model's codes."""

from shared.codes.codes import Codes
from shared.scoring.argsort_map import map_numpy_argsort
from shared.scoring.retrieval import Retrieval, evaluate

# a column of queries.csv
AP = "average_precision"


def score_of(codes: Codes, topk: int = 0) -> Retrieval:
    """Rank the database for every query; average precisions are those of the first ``topk`` items, 0 for all."""
    return evaluate(*codes.sides(), bits=codes.bits, topk=topk or None)


def map_scores(
    codes: Codes, score: Retrieval | None = None, argsort: bool = False, topk: int = 0
) -> dict[str, float | None]:
    """Every mAP of the codes: expected, best, worst and stable order within ties, and NumPy's argsort.

    ``score``, of the same ``topk``, spares the ranking where it is known. The last, by which the published
    implementations rank, costs a hundred times the others and is None unless ``argsort`` is set.
    """
    argsort_map = map_numpy_argsort(*codes.sides(), bits=codes.bits, topk=topk or None) if argsort else None
    return (score or score_of(codes, topk)).summary() | {"argsort": argsort_map}


def columns_of_queries(codes: Codes, score: Retrieval) -> dict[str, list]:
    """What is known of every query, a value each: its image, label, predicted class and average precision."""
    columns = {"image": codes.index, "label": codes.labels, "predicted": codes.predicted}
    of_queries = {name: values[: codes.num_queries].tolist() for name, values in columns.items()}
    return of_queries | {AP: score.ap_expected.tolist()}
