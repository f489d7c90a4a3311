"""Compiled loops over pairs of a query and an item: distances, their histograms, and sums in the ranking's order.

Codes are packed words, uint64 (N, W). Every query is worked on by one thread in one order, so the number of threads
changes nothing.
"""

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

_LANES = 8  # queries that take an item in hand together: none waits for its counter in memory

_compile = njit(nogil=True, cache=True, boundscheck=False)


@intrinsic
def _popcount(typing_context, word):  # noqa: ARG001 - numba prescribes the signatures
    def code(context, builder, signature, arguments):  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


def _distance(first: np.ndarray, second: np.ndarray) -> int:
    """The Hamming distance of two words, or of two codes of many words; compiled callers get ``_compiled_distance``."""
    return int(np.unpackbits(np.atleast_1d(first ^ second).view(np.uint8)).sum())


@overload(_distance)
def _compiled_distance(first, second):  # noqa: ARG001 - numba prescribes the signature
    def between_words(first, second):
        return _popcount(first ^ second)

    def between_codes(first, second):
        distance = np.uint64(0)
        for word in range(len(first)):
            distance += _popcount(first[word] ^ second[word])
        return distance

    return between_words if isinstance(first, types.Integer) else between_codes


@_compile
def count_items(counts, queries, items, bounds, relevance):
    """Add items, sorted by label: those of label L are ``bounds[L]`` to ``bounds[L + 1]``.

    ``counts`` int64 (Q, 2, bits + 1): others, and relevant ones, at each distance; ``relevance`` uint8 (Q, labels).
    """
    for row in range(len(queries)):
        for label in range(len(bounds) - 1):
            histogram, part = counts[row, relevance[row, label]], items[bounds[label] : bounds[label + 1]]
            if items.shape[1] == 1:
                _tally(histogram, queries[row, 0], part.reshape(-1))
            else:
                _tally(histogram, queries[row], part)


@_compile
def count_groups(counts, queries, words, labels, sizes, relevance):
    """As ``count_items``, for groups of ``sizes`` int64 (G,) equal items; ``labels`` (G,) are columns of relevance."""
    for row in range(len(queries)):
        for group in range(len(words)):
            distance = _distance_of_rows(queries, row, words, group)
            counts[row, relevance[row, labels[group]], distance] += sizes[group]


@_compile
def _tally(histogram, query, items):
    for item in range(len(items)):
        histogram[_distance(query, items[item])] += 1


@_compile
def _distance_of_rows(queries, query, items, item):
    distance = np.uint64(0)
    for word in range(queries.shape[1]):
        distance += _popcount(queries[query, word] ^ items[item, word])
    return distance


@_compile
def add_items_in_order(ranked, relevant, precisions, hits, leave_out, topk, queries, items, labels, relevance):
    """Add items to the rankings by distance, then position.

    Updated are ``ranked`` and ``relevant``, int64 (Q, bits + 1): the items, and the relevant ones, that are ranked so
    far up to each distance; and ``precisions`` float64 (Q,) and ``hits`` int64 (Q,) over the relevant items among the
    first ``topk``. ``labels`` (N,) are columns of ``relevance`` uint8 (Q, labels). ``leave_out`` int64 (Q,): an item
    that is not in this query's ranking.
    """
    for row in range(len(queries)):
        gap = leave_out[row] if 0 <= leave_out[row] < len(items) else len(items)
        for part in (slice(0, gap), slice(gap + 1, len(items))):
            segment, state = items[part], (ranked[row], relevant[row], topk, labels[part], relevance[row])
            if items.shape[1] == 1:
                total, number = _add_precisions(queries[row, 0], segment.reshape(-1), *state)
            else:
                total, number = _add_precisions(queries[row], segment, *state)
            precisions[row] += total
            hits[row] += number


@_compile
def _add_precisions(query, items, ranked, relevant, topk, labels, relevance):
    total, number = 0.0, 0
    for item in range(len(items)):
        distance = _distance(query, items[item])
        ranked[distance] += 1
        if relevance[labels[item]]:
            relevant[distance] += 1
            if ranked[distance] <= topk:
                total += relevant[distance] / ranked[distance]
                number += 1
    return total, number


@_compile
def add_groups_in_order(
    ranked, relevant, precisions, hits, leave_out, topk, queries, words, labels, sizes, group_of, bounds, relevance
):
    """As ``add_items_in_order``, to the last bit, for N items of few different codes.

    ``words`` (G, W), ``labels`` (G,) and ``sizes`` (G,) are those of the groups of equal items, ``group_of`` uint32
    (N,) the items'. ``bounds`` int64 (2, S + 1): where each of S stretches of items begins, and the groups that are in
    this stretch alone. Several queries take each item together, fastest where their labels are the same.
    """
    place = np.empty((len(words), _LANES), np.uint32)  # of the group's distance among all lanes' counters
    lane_masks = np.empty(len(words), np.uint8)  # a bit for each lane to which the group is relevant
    all_ranked = np.empty(_LANES * ranked.shape[1], np.int64)
    all_relevant = np.empty(_LANES * ranked.shape[1], np.int64)
    sums, numbers = np.empty(_LANES), np.empty(_LANES, np.int64)
    for start in range(0, len(queries), _LANES):
        stop = min(start + _LANES, len(queries))
        _look_up(place, lane_masks, start, stop, queries, words, labels, relevance, ranked.shape[1])
        _copy_rows(all_ranked, ranked, start, stop, False)
        _copy_rows(all_relevant, relevant, start, stop, False)
        for lane in range(_LANES):
            sums[lane], numbers[lane] = 0.0, 0
        for stretch in range(bounds.shape[1] - 1):
            item, last = bounds[0, stretch], bounds[0, stretch + 1]
            first_group, last_group = bounds[1, stretch], bounds[1, stretch + 1]
            left_out = _next_left_out(item, last, leave_out, start, stop)
            if left_out == last and _lanes_of(lane_masks, first_group, last_group) == 0:
                # no place matters where nothing is relevant
                _add_sizes(all_ranked, sizes, place, first_group, last_group)
                continue
            while item < last:
                _walk(all_ranked, all_relevant, sums, numbers, topk, group_of, item, left_out, place, lane_masks)
                if left_out < last:
                    state = all_ranked, all_relevant, sums, numbers
                    _pass_over(*state, precisions, leave_out, start, stop, topk, group_of, left_out, place, lane_masks)
                item = left_out + 1
                left_out = _next_left_out(item, last, leave_out, start, stop)
        for row in range(start, stop):
            precisions[row] += sums[row - start]
            hits[row] += numbers[row - start]
        _copy_rows(all_ranked, ranked, start, stop, True)
        _copy_rows(all_relevant, relevant, start, stop, True)


@_compile
def _look_up(place, lane_masks, start, stop, queries, words, labels, relevance, bins):
    for group in range(len(words)):
        lane_masks[group] = 0
        for lane in range(_LANES):
            row = start + lane if start + lane < stop else start  # a lane without a query counts for nothing
            place[group, lane] = lane * bins + _distance_of_rows(queries, row, words, group)
            if start + lane < stop and relevance[row, labels[group]]:
                lane_masks[group] |= 1 << lane


@_compile
def _copy_rows(flat, rows, start, stop, back):
    bins = rows.shape[1]
    for row in range(start, stop):
        for place in range(bins):
            if back:
                rows[row, place] = flat[(row - start) * bins + place]
            else:
                flat[(row - start) * bins + place] = rows[row, place]


@_compile
def _next_left_out(item, last, leave_out, start, stop):
    """The next position from ``item`` on that one of the queries leaves out; ``last`` if there is none before it."""
    for row in range(start, stop):
        if item <= leave_out[row] < last:
            last = leave_out[row]
    return last


@_compile
def _lanes_of(lane_masks, first, last):
    """The lanes to which any of these groups is relevant."""
    lanes = np.uint8(0)
    for group in range(first, last):
        lanes |= lane_masks[group]
    return lanes


@_compile
def _add_sizes(ranked, sizes, place, first, last):
    for group in range(first, last):
        for lane in range(_LANES):
            ranked[place[group, lane]] += sizes[group]


@_compile
def _walk(ranked, relevant, sums, numbers, topk, group_of, first, last, place, lane_masks):
    for item in range(first, last):
        group = group_of[item]
        lanes = lane_masks[group]
        if lanes == 0:
            for lane in range(_LANES):
                ranked[place[group, lane]] += 1
        else:
            for lane in range(_LANES):
                at = place[group, lane]
                ranked[at] += 1
                if lanes >> lane & 1:
                    relevant[at] += 1
                    if ranked[at] <= topk:
                        sums[lane] += relevant[at] / ranked[at]
                        numbers[lane] += 1


@_compile
def _pass_over(
    ranked, relevant, sums, numbers, precisions, leave_out, start, stop, topk, group_of, item, place, lane_masks
):
    """An item that some of the queries leave out: all take it, and these take it back."""
    group = group_of[item]
    for row in range(start, stop):
        if leave_out[row] == item:
            precisions[row] += sums[row - start]
            sums[row - start] = 0.0
    _walk(ranked, relevant, sums, numbers, topk, group_of, item, item + 1, place, lane_masks)
    for lane in range(stop - start):
        if leave_out[start + lane] == item:
            at, is_relevant = place[group, lane], lane_masks[group] >> lane & 1
            numbers[lane] -= is_relevant and ranked[at] <= topk
            ranked[at] -= 1
            relevant[at] -= is_relevant
            sums[lane] = 0.0


@_compile
def popcount_pass(counts, queries, database):
    """Nothing but distances and their histogram: int64 (Q, 65) from uint64 (Q,) and (N,); what speed is measured by."""
    for row in range(len(queries)):
        _tally(counts[row], queries[row], database)
