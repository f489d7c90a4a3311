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


def _distance(one: np.ndarray, other: np.ndarray) -> int:
    """The Hamming distance of two words, or of two codes of many words; compiled callers get ``_compiled_distance``."""
    return int(np.unpackbits(np.atleast_1d(one ^ other).view(np.uint8)).sum())


@overload(_distance)
def _compiled_distance(one, other):  # noqa: ARG001 - numba prescribes the signature
    def between_words(one, other):
        return _popcount(one ^ other)

    def between_codes(one, other):
        distance = np.uint64(0)
        for word in range(len(one)):
            distance += _popcount(one[word] ^ other[word])
        return distance

    return between_words if isinstance(one, types.Integer) else between_codes


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
def add_items_in_order(seen, found, precisions, hits, leave_out, topk, queries, items, labels, relevance):
    """Go on through the rankings by distance, then position, of which ``seen`` items were before, ``found`` relevant.

    ``seen`` and ``found`` int64 (Q, bits + 1) at each distance, ``precisions`` float64 (Q,) and ``hits`` int64 (Q,)
    over the relevant items among the first ``topk``, are updated. ``labels`` (N,) are columns of ``relevance`` uint8
    (Q, labels). ``leave_out`` int64 (Q,): an item that is not in this query's ranking.
    """
    for row in range(len(queries)):
        gap = leave_out[row] if 0 <= leave_out[row] < len(items) else len(items)
        for part in (slice(0, gap), slice(gap + 1, len(items))):
            some, state = items[part], (seen[row], found[row], topk, labels[part], relevance[row])
            if items.shape[1] == 1:
                total, number = _add_precisions(queries[row, 0], some.reshape(-1), *state)
            else:
                total, number = _add_precisions(queries[row], some, *state)
            precisions[row] += total
            hits[row] += number


@_compile
def _add_precisions(query, items, seen, found, topk, labels, relevance):
    total, number = 0.0, 0
    for item in range(len(items)):
        distance = _distance(query, items[item])
        seen[distance] += 1
        if relevance[labels[item]]:
            found[distance] += 1
            if seen[distance] <= topk:
                total += found[distance] / seen[distance]
                number += 1
    return total, number


@_compile
def add_groups_in_order(
    seen, found, precisions, hits, leave_out, topk, queries, words, labels, sizes, group_of, bounds, relevance
):
    """As ``add_items_in_order``, to the last bit, for N items of few different codes.

    ``words`` (G, W), ``labels`` (G,) and ``sizes`` (G,) are those of the groups of equal items, ``group_of`` uint32
    (N,) the items'. ``bounds`` int64 (2, S + 1): where each of S stretches of items begins, and the groups that are in
    this stretch alone. Several queries take each item together, fastest where their labels are the same.
    """
    place = np.empty((len(words), _LANES), np.uint32)  # of the group's distance among all lanes' counters
    wanted = np.empty(len(words), np.uint8)  # a bit for each lane to which it is relevant
    all_seen, all_found = np.empty(_LANES * seen.shape[1], np.int64), np.empty(_LANES * seen.shape[1], np.int64)
    sums, numbers = np.empty(_LANES), np.empty(_LANES, np.int64)
    for start in range(0, len(queries), _LANES):
        stop = min(start + _LANES, len(queries))
        _look_up(place, wanted, start, stop, queries, words, labels, relevance, seen.shape[1])
        _copy_rows(all_seen, seen, start, stop, False)
        _copy_rows(all_found, found, start, stop, False)
        for lane in range(_LANES):
            sums[lane], numbers[lane] = 0.0, 0
        for stretch in range(bounds.shape[1] - 1):
            item, last = bounds[0, stretch], bounds[0, stretch + 1]
            first_group, last_group = bounds[1, stretch], bounds[1, stretch + 1]
            own = _next_own(item, last, leave_out, start, stop)
            if own == last and _lanes_of(wanted, first_group, last_group) == 0:
                # no place matters where nothing is relevant
                _add_sizes(all_seen, sizes, place, first_group, last_group)
                continue
            while item < last:
                _walk(all_seen, all_found, sums, numbers, topk, group_of, item, own, place, wanted)
                if own < last:
                    state = all_seen, all_found, sums, numbers
                    _pass_over(*state, precisions, leave_out, start, stop, topk, group_of, own, place, wanted)
                item = own + 1
                own = _next_own(item, last, leave_out, start, stop)
        for row in range(start, stop):
            precisions[row] += sums[row - start]
            hits[row] += numbers[row - start]
        _copy_rows(all_seen, seen, start, stop, True)
        _copy_rows(all_found, found, start, stop, True)


@_compile
def _look_up(place, wanted, start, stop, queries, words, labels, relevance, bins):
    for group in range(len(words)):
        wanted[group] = 0
        for lane in range(_LANES):
            row = start + lane if start + lane < stop else start  # a lane without a query counts for nothing
            place[group, lane] = lane * bins + _distance_of_rows(queries, row, words, group)
            if start + lane < stop and relevance[row, labels[group]]:
                wanted[group] |= 1 << lane


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
def _next_own(item, last, leave_out, start, stop):
    """The next position from ``item`` on that one of the queries leaves out; ``last`` if there is none before it."""
    for row in range(start, stop):
        if item <= leave_out[row] < last:
            last = leave_out[row]
    return last


@_compile
def _lanes_of(wanted, first, last):
    """The lanes to which any of these groups is relevant."""
    lanes = np.uint8(0)
    for group in range(first, last):
        lanes |= wanted[group]
    return lanes


@_compile
def _add_sizes(seen, sizes, place, first, last):
    for group in range(first, last):
        for lane in range(_LANES):
            seen[place[group, lane]] += sizes[group]


@_compile
def _walk(seen, found, sums, numbers, topk, group_of, first, last, place, wanted):
    for item in range(first, last):
        group = group_of[item]
        lanes = wanted[group]
        if lanes == 0:
            for lane in range(_LANES):
                seen[place[group, lane]] += 1
        else:
            for lane in range(_LANES):
                at = place[group, lane]
                seen[at] += 1
                if lanes >> lane & 1:
                    found[at] += 1
                    if seen[at] <= topk:
                        sums[lane] += found[at] / seen[at]
                        numbers[lane] += 1


@_compile
def _pass_over(seen, found, sums, numbers, precisions, leave_out, start, stop, topk, group_of, item, place, wanted):
    """An item that some of the queries leave out: all take it, and these take it back."""
    group = group_of[item]
    for row in range(start, stop):
        if leave_out[row] == item:
            precisions[row] += sums[row - start]
            sums[row - start] = 0.0
    _walk(seen, found, sums, numbers, topk, group_of, item, item + 1, place, wanted)
    for lane in range(stop - start):
        if leave_out[start + lane] == item:
            at, relevant = place[group, lane], wanted[group] >> lane & 1
            numbers[lane] -= relevant and seen[at] <= topk
            seen[at] -= 1
            found[at] -= relevant
            sums[lane] = 0.0


@_compile
def popcount_pass(counts, queries, database):
    """Nothing but distances and their histogram: int64 (Q, 65) from uint64 (Q,) and (N,); what speed is measured by."""
    for row in range(len(queries)):
        _tally(counts[row], queries[row], database)
