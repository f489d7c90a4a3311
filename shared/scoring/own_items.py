"""Which item of the database a query is itself, so that it can be left out of its own ranking."""

import numpy as np

from shared.scoring.counting import Side
from shared.system.errors import UserError


def own_items(queries: Side, items: Side, exclude_self: np.ndarray | bool | None) -> np.ndarray | None:
    """The position of each query in the database, int64 (queries,), -1 for none; None if there is nothing to leave out.

    ``exclude_self`` True: query i is item i, which is refused unless code and label agree for every i. An array is the
    positions themselves: the labels must agree, the codes may be another model's. Raises UserError.
    """
    if exclude_self is None or exclude_self is False:
        return None
    if exclude_self is True:
        _check_same(queries, items)
        return np.arange(len(queries.words))
    positions = np.asarray(exclude_self)
    if positions.shape != (len(queries.words),) or positions.dtype.kind not in "iu":
        raise UserError(
            f"exclude_self: expected {len(queries.words)} whole numbers, received {positions.dtype} {positions.shape}"
        )
    if positions.min() < -1 or positions.max() >= len(items.words):
        received = f"{positions.min()} to {positions.max()}"
        raise UserError(f"exclude_self: expected positions from -1 to {len(items.words) - 1}, received {received}")
    positions = positions.astype(np.int64)
    _check_labels(queries, items, positions)
    return positions


def positions_of(query_ids: np.ndarray, item_ids: np.ndarray) -> np.ndarray:
    """The position among ``item_ids`` (N,), all different, of each of ``query_ids`` (Q,): int64 (Q,), -1 for none."""
    order = np.argsort(item_ids)
    place = np.searchsorted(item_ids, query_ids, sorter=order)
    nearest = order[np.minimum(place, len(order) - 1)]
    return np.where(item_ids[nearest] == query_ids, nearest, -1)


def _check_same(queries: Side, items: Side) -> None:
    same = np.zeros(len(queries.words), bool)
    rows = min(len(same), len(items.words))  # a query beyond the last item is none
    same[:rows] = (queries.words[:rows] == items.words[:rows]).all(axis=1)
    same[:rows] &= (queries.labels[:rows] == items.labels[:rows]).reshape(rows, -1).all(axis=1)
    if not same.all():
        raise UserError(
            "--exclude-self: expected query i to be item i of the database, in code and label, for every i; received "
            f"{same.sum()} of {len(same)} that agree, query {same.argmin()} is the first that does not; put the "
            "queries first in the database, in their order, or store with both an array index, numbers of the images"
        )


def _check_labels(queries: Side, items: Side, positions: np.ndarray) -> None:
    (rows,) = np.nonzero(positions >= 0)
    query_labels, item_labels = queries.labels[rows], items.labels[positions[rows]]
    differ = rows[(query_labels != item_labels).reshape(len(rows), -1).any(axis=1)] if len(rows) else rows
    if len(differ):
        raise UserError(
            f"--exclude-self: expected each query to have the label of the item that it is, received {len(differ)} of "
            f"{len(rows)} with another; query {differ[0]}, item {positions[differ[0]]}, is the first; these numbers "
            "name other images"
        )
